"""The least a FastAPI service can do: one endpoint that returns what it is given, to hold the API's figures against."""

import argparse
from typing import Any

import uvicorn
from fastapi import FastAPI

from app.parent import follow_stdin


def create_app(body: str) -> FastAPI:
    """`GET /job` answers with this text in a document, nothing else is done."""
    app = FastAPI()

    @app.get("/job")
    async def job() -> dict[str, Any]:
        return {"text": body}

    return app


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--bytes", type=int, required=True)
    asked = parser.parse_args()
    follow_stdin()
    uvicorn.run(create_app("x" * asked.bytes), port=asked.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
