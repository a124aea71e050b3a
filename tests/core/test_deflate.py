"""Compressed WebSocket messages: what is agreed on, and what goes each way. For PCs: boards cannot deflate."""

import sys

if sys.implementation.name == "cpython":
    import json
    import random
    import zlib

    from serving import serve
    from test_websocket import CLOSING, NORMAL, PROTOCOL, close, echo, frames

    from webhal.deflate import agree
    from webhal.testing.live import frame, handshake

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
        takes = plain + "; server_no_context_takeover; client_no_context_takeover"
        for offer, answer in (
            ("", None),
            ("x-webkit-deflate-frame", None),
            (plain, takes),
            ("x, %s; client_max_window_bits" % plain, takes),
            (plain + "; server_no_context_takeover", takes),
            (plain + "; client_no_context_takeover; server_max_window_bits=10", takes + "; server_max_window_bits=10"),
            (plain + '; server_max_window_bits="9"', takes + "; server_max_window_bits=9"),
            (plain + "; client_max_window_bits=8", takes),
            (plain + "; server_max_window_bits=8", None),
            (plain + "; server_max_window_bits=8, " + plain, takes),
            (plain + "; server_max_window_bits=16", None),
            (plain + "; server_max_window_bits", None),
            (plain + "; server_max_window_bits=09", None),
            (plain + "; server_no_context_takeover=1", None),
            (plain + "; server_no_context_takeover; server_no_context_takeover", None),
            (plain + "; unknown", None),
        ):
            agreed = agree(offer)
            assert (agreed and agreed[0]) == answer, offer

    def unpacked(payload):
        return zlib.decompressobj(wbits=-15).decompress(payload + TAIL)

    def test_messages_both_ways_each_by_itself():
        for offer in ("", "; server_max_window_bits=9"):
            (one,) = packed(NUMBERS)
            data = frame(0x41, one) + frame(1, b"short") + frame(0x42, one[:1], False) + frame(0, one[1:])
            answer = exchange(data, "permessage-deflate" + offer)
            assert [first for first, _ in answer] == [0xC1, 0x81, 0xC2, 0x88]
            assert unpacked(answer[0][1]) == unpacked(answer[2][1]) == NUMBERS and answer[1][1] == b"short"

    def test_messages_that_end_with_a_final_block():
        for text in (100 * b"Hello", b""):
            packer = zlib.compressobj(wbits=-15)
            (first, payload), _ = exchange(frame(0x41, packer.compress(text) + packer.flush() + b"\0"))
            assert (unpacked(payload) if first == 0xC1 else payload) == text
        block = zlib.compressobj(wbits=-15)
        data = frame(0x41, 2 * (block.compress(b"a") + block.flush()))
        assert exchange(data) == [(0x88, PROTOCOL[1])]

    # What Autobahn's categories 12 and 13 have: these payloads, in these sizes, whole and in fragments of these sizes,
    # all of it under the first offer, and some under each.
    PAYLOADS = {
        "numbers as JSON": lambda size: json.dumps([n * n for n in range(size)]).encode()[:size],
        "text": lambda size: (1 + size // 20) * "Gr\xfc\xdfe, \u03ba\u1f79\u03c3\u03bc\u03b5! ".encode(),
        "noise": lambda size: random.Random(size).randbytes(size),
        "zeros": bytes,
    }
    SIZES = (16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072)
    FRAGMENTS = (0, 256, 1024, 4096, 8192, 32768)
    NAME = "permessage-deflate"
    OFFERS = {
        NAME: 15,
        NAME + "; client_max_window_bits": 15,
        NAME + "; server_no_context_takeover; client_max_window_bits": 15,
        NAME + "; server_max_window_bits=9; client_max_window_bits": 9,
        NAME + "; server_max_window_bits=15; client_max_window_bits": 15,
        NAME + "; server_no_context_takeover; server_max_window_bits=9; client_max_window_bits": 9,
        NAME + "; server_no_context_takeover; server_max_window_bits=15; client_max_window_bits": 15,
        NAME + "; server_max_window_bits=8, %s; server_max_window_bits=10, %s" % (NAME, NAME): 10,
    }

    def cut(payload, kind, size):
        """A message's frames: whole, or so many bytes of its compressed form in each."""
        (data,) = packed(payload)
        pieces = [data[start : start + size] for start in range(0, len(data), size)] if size else [data]
        last = len(pieces) - 1
        return b"".join([frame(0 if n else 0x40 | kind, piece, n == last) for n, piece in enumerate(pieces)])

    def echoes(offer, bits, payloads, fragment):
        """Each payload, as text where it is, comes back; and with the window that was asked for it can be read."""
        with serve(echo(limit=1 << 18), harsh=False, buffer=1 << 14) as bench:
            client = bench.connect(handshake("/ws", "Sec-WebSocket-Extensions: %s\r\n" % offer))
            bench.until(lambda: b"\r\n\r\n" in client.received)
            assert NAME.encode() in client.read()
            for name, payload in payloads:
                kind = 2 if name in ("noise", "zeros") else 1
                client.send(cut(payload, kind, fragment))
                bench.until(lambda: whole(client.received))
                first, data = whole(client.read())
                if first & 0x40:
                    unpacker = zlib.decompressobj(wbits=-bits)
                    data = unpacker.decompress(data + TAIL) + unpacker.flush()
                assert first & 0x8F == 0x80 | kind and data == payload, (offer, name, len(payload), fragment)
            client.send(close(1000))
            bench.until(lambda: client.state != "open")
            client.close()

    def whole(data):
        """(first byte, payload) of a frame; None while it is not whole."""
        start = {126: 4, 127: 10}.get(data[1], 2) if len(data) > 1 else 2
        if len(data) < start:
            return None
        size = int.from_bytes(data[2:start], "big") if start > 2 else data[1]
        return (data[0], data[start:]) if len(data) >= start + size else None

    def test_payloads_of_every_kind_and_size_in_fragments_of_every_size():
        for fragment in FRAGMENTS:
            echoes(NAME, 15, [(name, make(size)) for name, make in PAYLOADS.items() for size in SIZES], fragment)

    def test_payloads_under_every_offer():
        for offer, bits in OFFERS.items():
            echoes(offer, bits, [(name, make(size)) for name, make in PAYLOADS.items() for size in SIZES[::4]], 1024)

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
