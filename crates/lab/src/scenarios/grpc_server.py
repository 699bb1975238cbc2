"""A server of gRPC's C core, which the lab starts in a namespace: one method that streams events,
one that answers at once. What ends its connections is the library's, as its channel arguments
say; nothing here does."""

import argparse
import logging
import time
from concurrent import futures

import grpc

parser = argparse.ArgumentParser()
parser.add_argument("--listen", required=True)
parser.add_argument("--every", type=float, default=0.25)
parser.add_argument("--option", action="append", default=[], help="a channel argument, NAME=NUMBER")
typed = parser.parse_args()

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s events: %(message)s")


def where(context):
    """The peer as a person writes it: grpc says ipv4:192.0.2.1:7 or ipv6:%5B2001:db8::1%5D:7."""
    peer = context.peer().split(":", 1)[1]
    return peer.replace("%5B", "[").replace("%5D", "]")


def watch(request, context):
    peer = where(context)
    logging.info("stream to %s begins", peer)
    context.add_callback(lambda: logging.info("stream to %s is over", peer))
    event = 0
    while context.is_active():
        event += 1
        yield b"event %d" % event
        time.sleep(typed.every)


def ask(request, context):
    logging.info("call from %s", where(context))
    return request + b": ok"


methods = {
    "Watch": grpc.unary_stream_rpc_method_handler(watch),
    "Ask": grpc.unary_unary_rpc_method_handler(ask),
}
options = [(name, int(value)) for name, value in (o.split("=") for o in typed.option)]
server = grpc.server(futures.ThreadPoolExecutor(max_workers=16), options=options)
server.add_generic_rpc_handlers(
    (grpc.method_handlers_generic_handler("hopclock.lab.Events", methods),)
)
if not server.add_insecure_port(typed.listen):
    raise SystemExit("cannot listen on " + typed.listen)
server.start()
logging.info("listening on %s, grpc %s", typed.listen, grpc.__version__)
server.wait_for_termination()
