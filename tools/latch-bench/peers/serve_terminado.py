"""serve_terminado.py PROGRAM [ARGUMENT...] - a peer of latch-bench: terminado as Jupyter serves it, each WebSocket a terminal
that runs the program. The first line of stdout is the address; the end of stdin is the end.
"""

import logging
import os
import sys

import terminado
import tornado.httpserver
import tornado.ioloop
import tornado.netutil
import tornado.web


class Terminal(terminado.TermSocket):
    """Whatever subprotocol is asked for."""

    def select_subprotocol(self, subprotocols):
        return subprotocols[0] if subprotocols else None


def main():
    logging.getLogger("asyncio").disabled = True  # clients leave in the middle of output
    loop = tornado.ioloop.IOLoop.current()
    terminals = terminado.UniqueTermManager(shell_command=sys.argv[1:])
    paths = [("/terminal", Terminal, {"term_manager": terminals})]
    sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
    tornado.httpserver.HTTPServer(tornado.web.Application(paths)).add_sockets(sockets)
    print("127.0.0.1:%d" % sockets[0].getsockname()[1], flush=True)
    loop.add_handler(0, lambda fd, _: os.read(fd, 1) or loop.stop(), loop.READ)
    loop.start()


main()
