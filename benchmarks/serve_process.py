"""A server for measurements in a process of its own: python -m benchmarks.serve_process CHECKPOINT together|alone."""

import sys

from gan.deployment.serve.address import open_socket
from gan.utils import tensorflow as runtime


def main(checkpoint: str, batches: str) -> None:
    """Serves a generator, and prints the address when requests are answered. `alone`: requests do not share batches."""
    with open_socket("127.0.0.1", 0, has_token=False) as listening:
        runtime.load_tensorflow(lean=True)
        runtime.start()
        from gan.deployment.serve.server import run_server

        run_server(
            [checkpoint], listening, together=batches == "together", ready=lambda address: print(address, flush=True)
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
