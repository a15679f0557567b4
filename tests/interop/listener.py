"""Answers each request with an empty list and prints its User-Agent. The first line is the port."""

import http.server


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        print(self.headers.get("User-Agent"), flush=True)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"value": []}')

    def log_message(self, *_):
        pass


with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
    print(server.server_port, flush=True)
    server.serve_forever()
