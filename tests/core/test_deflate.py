"""Compressed WebSocket messages: what is agreed on, and what goes each way. For PCs: boards cannot deflate."""

import sys

if sys.implementation.name == "cpython":
    import hashlib
    import zlib

    from serving import serve
    from test_websocket import CLOSING, NORMAL, PROTOCOL, close, echo, frames

    from webhal import App
    from webhal.deflate import agree
    from webhal.testing.live import frame, handshake
    from webhal.websocket import websocket

    NUMBERS = b" ".join(b"%d" % (n * n) for n in range(100))
    TAIL = b"\x00\x00\xff\xff"

    def packed(*messages, bits=15):
        packer = zlib.compressobj(wbits=-bits)
        return [packer.compress(one) + packer.flush(zlib.Z_SYNC_FLUSH)[:-4] for one in messages]

    def exchange(data, offer="permessage-deflate"):
        """What an echo answers to frames: (first byte, payload) of each frame."""
        with serve(echo(limit=2000)) as bench:
            client = bench.connect(handshake("/ws", "Sec-WebSocket-Extensions: %s\r\n" % offer))
            bench.until(lambda: client.received.find(b"\r\n\r\n") > 0)
            head, _, rest = client.received.partition(b"\r\n\r\n")
            assert b"permessage-deflate" in head and not rest
            client.send(data + close(1000))
            bench.until(lambda: client.state != "open")
            data = client.received[len(head) + 4 :]
            client.close()
        return split(data)

    def split(data):
        """(first byte, payload) of each frame."""
        found = []
        while data:
            size, start = data[1], 2
            if size == 126:
                size, start = int.from_bytes(data[2:4], "big"), 4
            found.append((data[0], data[start : start + size]))
            data = data[start + size :]
        return found

    def test_what_is_agreed_on():
        plain = "permessage-deflate"
        for offer, answer in (
            ("", None),
            ("x-webkit-deflate-frame", None),
            (plain, plain),
            ("x, %s; client_max_window_bits" % plain, plain),
            (plain + "; server_no_context_takeover", plain + "; server_no_context_takeover"),
            (
                plain + "; client_no_context_takeover; server_max_window_bits=10",
                plain + "; client_no_context_takeover; server_max_window_bits=10",
            ),
            (plain + '; server_max_window_bits="9"', plain + "; server_max_window_bits=9"),
            (plain + "; client_max_window_bits=8", plain),
            (plain + "; server_max_window_bits=8", None),
            (plain + "; server_max_window_bits=8, " + plain, plain),
            (plain + "; server_max_window_bits=16", None),
            (plain + "; server_max_window_bits", None),
            (plain + "; server_max_window_bits=09", None),
            (plain + "; server_no_context_takeover=1", None),
            (plain + "; server_no_context_takeover; server_no_context_takeover", None),
            (plain + "; unknown", None),
        ):
            agreed = agree(offer)
            assert (agreed and agreed[0]) == answer, offer

    def test_messages_both_ways():
        for offer in ("", "; server_no_context_takeover", "; server_max_window_bits=9"):
            one, two = packed(NUMBERS, NUMBERS)
            data = frame(0x41, one) + frame(1, b"plain") + frame(0x42, two[:1], False) + frame(0, two[1:])
            answer = exchange(data, "permessage-deflate" + offer)
            assert [first for first, _ in answer] == [0xC1, 0xC1, 0xC2, 0x88]
            unpacker = zlib.decompressobj(wbits=-15)
            got = []
            for _, payload in answer[:3]:
                if "takeover" in offer:
                    unpacker = zlib.decompressobj(wbits=-15)
                got.append(unpacker.decompress(payload + TAIL))
            assert got == [NUMBERS, b"plain", NUMBERS]
            assert (len(answer[2][1]) < len(answer[0][1])) == ("takeover" not in offer)

    def test_messages_that_end_with_a_final_block():
        texts = (b"Hello", b"World", b"")
        data = b""
        for text in texts:
            packer = zlib.compressobj(wbits=-15)
            data += frame(0x41, packer.compress(text) + packer.flush() + b"\0")
        unpacker = zlib.decompressobj(wbits=-15)
        assert tuple([unpacker.decompress(payload + TAIL) for _, payload in exchange(data)[:3]]) == texts
        block = zlib.compressobj(wbits=-15)
        data = frame(0x41, 2 * (block.compress(b"a") + block.flush()))
        assert exchange(data) == [(0x88, PROTOCOL[1])]

    def test_what_there_was_no_room_for_is_not_referred_to():
        app = App()

        @app.get("/")
        @websocket
        def talk(request, ws):
            def answer(message):
                for text in texts:
                    try:
                        ws.send(text)
                    except OSError:
                        refused.append(text)

            ws.on_message = answer

        texts = [hashlib.sha256(b"%d" % n).hexdigest() for n in range(30)]
        refused = []
        with serve(app) as bench:
            client = bench.connect(handshake("/", "Sec-WebSocket-Extensions: permessage-deflate\r\n"))
            bench.until(lambda: client.received.find(b"\r\n\r\n") > 0)
            client.read()
            client.window = 10
            client.send(frame(1, b"a"))
            bench.run(1000)
            assert refused
            client.window = None
            bench.run(1000)
            texts = refused[:5]
            client.send(frame(1, b"b"))
            bench.run(1000)
            unpacker = zlib.decompressobj(wbits=-15)
            got = [unpacker.decompress(payload + TAIL).decode() for _, payload in split(client.received)]
            assert got[-5:] == texts
            client.close()

    def test_what_ends_it():
        for data, code in (
            (frame(0x41, b"\xff\xff"), PROTOCOL[1]),
            (frame(0x61, packed(b"a")[0]), PROTOCOL[1]),
            (frame(1, b"a", False) + frame(0x40, b"b"), PROTOCOL[1]),
            (frame(0x49, b"a"), PROTOCOL[1]),
            (frame(0x42, packed(2001 * b"a")[0]), b"\x03\xf1"),
            (frame(0x42, packed(100_000_000 * b"a")[0][:1500]), b"\x03\xf1"),
            (frame(0x41, packed(b"\xff")[0]), b"\x03\xef"),
        ):
            assert exchange(data) == [(0x88, code)], data[:9]
        assert frames(b"\x88\x02" + NORMAL) == [(CLOSING, NORMAL)]

else:

    def test_boards_offer_none():
        from webhal.websocket import WebSocket

        assert WebSocket.deflate is None
