"""What the demo prints: numbered acts with their times, and failed expectations that end it."""
import time


class Stage:
    def __init__(self):
        self.act_started = time.monotonic()

    def act(self, title):
        self.act_started = time.monotonic()
        print(f"\n{title}", flush=True)

    def done(self, text):
        print(f"  ✓ {text:<72} {time.monotonic() - self.act_started:6.1f} s", flush=True)

    def note(self, text):
        for line in str(text).splitlines():
            print(f"  {line}", flush=True)

    def expect(self, truth, what):
        if not truth:
            raise SystemExit(f"  ✗ {what}")
