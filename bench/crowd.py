"""Simulated workers and watchers: WebSockets that say what an agent says, and streams of events, without their cost.

A worker that is told to start an attempt runs the trainer that does nothing and tells what that wrote. Run as a program
it is the crowd alone: it must not share a thread with whoever measures.

usage: crowd.py ADDRESS TOKEN_FILE WORKERS WATCHERS TRAINER
"""

import asyncio
import base64
import json
import os
import random
import struct
import sys
import time
from pathlib import Path

HEARTBEAT_S = 2
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class Count:
    """Of what the crowd as a whole saw."""

    def __init__(self):
        self.welcome = self.attempts = self.events = self.lost = 0


async def request(address, head):
    host, port = address.rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port), limit=1 << 20)
    writer.write((head + "\r\n\r\n").encode())
    answer = (await reader.readuntil(b"\r\n\r\n")).decode()
    return reader, writer, answer


class Worker:
    def __init__(self, name, trainer, count):
        self.name, self.trainer, self.count = name, trainer, count
        self.incarnation, self.obeyed = int(time.time() * 1000), 0

    async def live(self, address, token):
        key = base64.b64encode(os.urandom(16)).decode()
        reader, self.writer, answer = await request(
            address, f"GET /api/v1/workers/channel HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n"
            f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13")
        if " 101 " not in answer.splitlines()[0]:
            sys.exit(f"no worker is taken: {answer}")
        self.say("hello", version=1, worker=self.name, own_incarnation=self.incarnation, host=self.name,
                 launch_domain=self.name, slots=1, threads_per_slot=1, device="cpu", slot_memory_bytes=0, running=[], obeyed=0)
        asyncio.create_task(self.beat())
        try:
            while True:
                kind, text = await self.frame(reader)
                if kind == PING:
                    self.send(PONG, text)
                elif kind == CLOSE:
                    break
                elif kind == TEXT:
                    await self.hear(json.loads(text))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        self.count.lost += 1

    async def beat(self):
        await asyncio.sleep(random.uniform(0, HEARTBEAT_S))
        while not self.writer.is_closing():
            self.say("heartbeat")
            await asyncio.sleep(HEARTBEAT_S)

    async def hear(self, message):
        self.obeyed = max(self.obeyed, message["generation"])
        if message["type"] == "welcome":
            self.count.welcome += 1
        elif message["type"] == "refused":
            sys.exit(f"refused: {message}")
        elif message["type"] == "start_attempt":
            await self.train(message["attempt"], message["task"])

    async def train(self, attempt, task):
        self.count.attempts += 1
        self.say("attempt_started", attempt=attempt)
        trainer = await asyncio.create_subprocess_exec(self.trainer, task["kind"], task["folder"] + "/task.json")
        code = await trainer.wait()
        offset = 0
        for line in Path(task["events"]).read_text().splitlines(keepends=True):
            offset += len(line.encode())
            self.say("attempt_event", attempt=attempt, sequence=offset, event=json.loads(line))
        self.say("attempt_exited", attempt=attempt, exit_code=code, last_log_lines="")
        self.say("slots_free", attempt=attempt, slots=[0])

    def say(self, kind, **fields):
        message = {"generation": self.obeyed, "incarnation": self.incarnation, "type": kind, **fields}
        self.send(TEXT, json.dumps(message).encode())

    def send(self, kind, payload):
        """A client's frames are masked; a mask of zeros leaves them as they are."""
        length = len(payload)
        if length < 126:
            size = struct.pack("!B", 0x80 | length)
        elif length < 1 << 16:
            size = struct.pack("!BH", 0x80 | 126, length)
        else:
            size = struct.pack("!BQ", 0x80 | 127, length)
        self.writer.write(bytes([0x80 | kind]) + size + bytes(4) + payload)

    @staticmethod
    async def frame(reader):
        first, second = await reader.readexactly(2)
        length = second & 0x7F
        if length == 126:
            length, = struct.unpack("!H", await reader.readexactly(2))
        elif length == 127:
            length, = struct.unpack("!Q", await reader.readexactly(8))
        return first & 0x0F, await reader.readexactly(length)


async def watch(address, token, count):
    reader, _, answer = await request(
        address, f"GET /api/v1/events HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n"
        "Accept: text/event-stream")
    if " 200 " not in answer.splitlines()[0]:
        sys.exit(f"no watcher is served: {answer}")
    while line := await reader.readline():
        count.events += line.startswith(b"data:")
    count.lost += 1


async def crowd(address, token, workers, watchers, trainer):
    count = Count()
    tasks = []
    for number in range(workers):
        tasks.append(asyncio.create_task(Worker(f"s{number}", trainer, count).live(address, token)))
        if number % 20 == 19:
            await asyncio.sleep(0.05)  # as many as a cluster's starter begins with at a time
    tasks += [asyncio.create_task(watch(address, token, count)) for _ in range(watchers)]
    while True:
        for task in tasks:
            if task.done():
                task.result()  # what went wrong is said
        print(json.dumps({**vars(count), "cpu_s": time.process_time()}), flush=True)
        await asyncio.sleep(1)


if __name__ == "__main__":
    asyncio.run(crowd(sys.argv[1], Path(sys.argv[2]).read_text().strip(), int(sys.argv[3]), int(sys.argv[4]),
                      sys.argv[5]))
