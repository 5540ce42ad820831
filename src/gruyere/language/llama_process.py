"""The process that runs llama.cpp; `local.LocalServer` starts it, and nothing else should.

A process of its own because the library's server can wait for ever when it is closed with a stream open or right
after its start; a process can always be ended. Takes one JSON argument, writes one JSON line, {"url"} or {"error"},
and ends when its standard input does, so it never outlives its parent. Imports nothing of gruyere.
"""

import json
import os
import sys


def main() -> None:
    """Serve until standard input ends."""
    asked = json.loads(sys.argv[1])
    try:
        import xllamacpp

        settings = xllamacpp.CommonParams()
        settings.model.path = asked["path"]
        settings.model_alias = {asked["model"]}
        settings.n_ctx = asked["context"]
        settings.n_parallel = 1
        settings.n_gpu_layers = 0
        settings.cpuparams.n_threads = asked["threads"]
        settings.cpuparams_batch.n_threads = asked["threads"]
        settings.hostnames = ["127.0.0.1"]
        settings.port = 0
        settings.cache_ram_mib = 0
        settings.warmup = False
        settings.ui = False
        settings.verbosity = -1
        server = xllamacpp.Server(settings)
    except Exception as error:  # the wheel raises plain RuntimeError and ValueError; the parent says what to do
        print(json.dumps({"error": " ".join(str(error).split())}), flush=True)
        os._exit(1)
    print(json.dumps({"url": f"{server.listening_address}/v1"}), flush=True)
    sys.stdin.read()
    os._exit(0)  # without the library's own, unreliable, closing


if __name__ == "__main__":
    main()
