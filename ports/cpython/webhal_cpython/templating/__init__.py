"""Templates for boards: Jinja2's language compiled to Python modules. A PC has Jinja2 itself: webhal/templates.py."""
