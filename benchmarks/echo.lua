-- A wrk script: POST of 1 KB, to be echoed.

wrk.method = "POST"
wrk.body = ("0123456789abcdef"):rep(64)
wrk.headers["Content-Type"] = "text/plain"
