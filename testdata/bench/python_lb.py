"""A small HTTP balancer, such as one writes in an afternoon: FastAPI in front,
httpx behind, round robin over the backends that answered their last probe.

    python3 python_lb.py 127.0.0.1:8000 127.0.0.1:8001 127.0.0.1:8002
"""

import asyncio
import itertools
import sys

import fastapi
import httpx
import uvicorn

PROBE_INTERVAL = 10.0  # seconds, fourseven's default
HOP_BY_HOP = {
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization",
    "te", "trailer", "transfer-encoding", "upgrade",
}

listen, *backends = sys.argv[1:]
healthy = list(backends)
turn = itertools.count()
app = fastapi.FastAPI(openapi_url=None)
client = httpx.AsyncClient(
    limits=httpx.Limits(max_connections=None, max_keepalive_connections=None),
    timeout=httpx.Timeout(60.0, connect=2.0),
    trust_env=False,
)


async def is_healthy(backend):
    try:
        return (await client.get(f"http://{backend}/health", timeout=2.0)).status_code == 200
    except httpx.HTTPError:
        return False


async def probe_forever():
    while True:
        results = await asyncio.gather(*map(is_healthy, backends))
        healthy[:] = [b for b, ok in zip(backends, results) if ok]
        await asyncio.sleep(PROBE_INTERVAL)


@app.on_event("startup")
async def start_probes():
    app.state.probes = asyncio.create_task(probe_forever())


def end_to_end(headers):
    return {k: v for k, v in headers.items() if k.lower() not in HOP_BY_HOP}


@app.api_route("/{path:path}", methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def forward(request: fastapi.Request):
    if not healthy:
        return fastapi.responses.JSONResponse({"error": "No healthy backends"}, 503)
    url = request.url.replace(scheme="http", netloc=healthy[next(turn) % len(healthy)])
    headers = end_to_end(request.headers)
    headers["x-forwarded-for"] = request.client.host
    try:
        answer = await client.request(request.method, str(url), headers=headers, content=await request.body())
    except httpx.HTTPError:
        return fastapi.responses.JSONResponse({"error": "Bad gateway"}, 502)
    return fastapi.Response(answer.content, answer.status_code, end_to_end(answer.headers))


if __name__ == "__main__":
    host, port = listen.rsplit(":", 1)
    uvicorn.run(app, host=host, port=int(port), log_level="warning", access_log=False)
