"""What test_vectors.py talks to: answers each request with what the application got."""

from webhal import App

app = App()


@app.before_request
def show(request):
    return {
        "method": request.method,
        "target": request.target,
        "path": request.path,
        "minor": request.minor,
        "body": list(request.body),
        "fields": request.headers.items(),
    }


def main(port, limit):
    app.run(port, head=limit)
