"""Peak memory of training the small LLaVA of `percept bench --train --filter vlm`: PyTorch's beside percept's.

    oracle/bin/python tests/oracle/train_memory.py build/release/percept [--dtype f32|bf16] [--threads 2]

Each runs in a process of its own; what counts is its largest resident set. PyTorch's is given twice: the whole process, and without
what stands there before the model is made (interpreter and library)."""

import argparse
import json
import math
import os
import resource
import sys

LAYERS, VIEW, WIDTH, HIDDEN, VOCABULARY = 6, 256, 384, 1024, 4096
SIDE, PATCH, SAMPLES, TEXT, STEPS = 64, 8, 8, 64, 4


def model_of(torch):
    nn, f = torch.nn, torch.nn.functional

    class Attention(nn.Module):
        def __init__(self, width, heads, bias):
            super().__init__()
            self.heads = heads
            self.qkv, self.out = nn.Linear(width, 3 * width, bias=bias), nn.Linear(width, width, bias=bias)

        def forward(self, x, turn=None, causal=False):
            b, t, d = x.shape
            q, k, v = self.qkv(x).view(b, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
            if turn is not None:
                q, k = turn(q), turn(k)
            return self.out(f.scaled_dot_product_attention(q, k, v, is_causal=causal).transpose(1, 2).reshape(b, t, d))

    class Seeing(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(VIEW), nn.LayerNorm(VIEW)
            self.attention = Attention(VIEW, 4, True)
            self.up, self.down = nn.Linear(VIEW, 1024), nn.Linear(1024, VIEW)

        def forward(self, x):
            x = x + self.attention(self.norm1(x))
            h = self.up(self.norm2(x))
            return x + self.down(h * torch.sigmoid(1.702 * h))

    class Saying(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.norm2 = nn.RMSNorm(WIDTH, eps=1e-6), nn.RMSNorm(WIDTH, eps=1e-6)
            self.attention = Attention(WIDTH, 6, False)
            self.gate, self.up = nn.Linear(WIDTH, HIDDEN, bias=False), nn.Linear(WIDTH, HIDDEN, bias=False)
            self.down = nn.Linear(HIDDEN, WIDTH, bias=False)

        def forward(self, x, turn):
            x = x + self.attention(self.norm1(x), turn, True)
            h = self.norm2(x)
            return x + self.down(f.silu(self.gate(h)) * self.up(h))

    class Small(nn.Module):
        def __init__(self):
            super().__init__()
            patches = (SIDE // PATCH) ** 2
            self.patches = nn.Conv2d(3, VIEW, PATCH, PATCH, bias=False)
            self.first, self.place = nn.Parameter(torch.zeros(VIEW)), nn.Parameter(torch.zeros(patches + 1, VIEW))
            self.before = nn.LayerNorm(VIEW)
            self.tower = nn.ModuleList(Seeing() for _ in range(LAYERS))
            self.one, self.two = nn.Linear(VIEW, WIDTH), nn.Linear(WIDTH, WIDTH)
            self.table = nn.Embedding(VOCABULARY, WIDTH)
            self.layers = nn.ModuleList(Saying() for _ in range(LAYERS))
            self.norm = nn.RMSNorm(WIDTH, eps=1e-6)
            size = WIDTH // 6
            angle = torch.outer(torch.arange(patches + TEXT).float(), 10000 ** (-torch.arange(0, size, 2) / size))
            self.register_buffer("cosine", angle.cos())
            self.register_buffer("sine", angle.sin())

        def turn(self, x):
            a, b = x.chunk(2, dim=-1)
            return torch.cat([a * self.cosine - b * self.sine, b * self.cosine + a * self.sine], dim=-1)

        def forward(self, pixels, ids, targets):
            x = self.patches(pixels).flatten(2).transpose(1, 2)
            x = self.before(torch.cat([self.first.expand(len(x), 1, VIEW), x], dim=1) + self.place)
            for layer in self.tower:
                x = layer(x)
            x = self.two(f.gelu(self.one(x[:, 1:])))
            x = torch.cat([x, self.table(ids)], dim=1)
            for layer in self.layers:
                x = layer(x, self.turn)
            logits = f.linear(self.norm(x[:, -TEXT:]), self.table.weight)
            return f.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())

    return Small()


def train(dtype, threads):
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(threads)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model = model_of(torch)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1)
    pixels, ids = torch.randn(SAMPLES, 3, SIDE, SIDE), torch.randint(VOCABULARY, (SAMPLES, TEXT))
    for _ in range(STEPS):
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bf16"):
            loss = model(pixels, ids, ids.roll(-1, 1))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1)
        optimizer.step()
    assert math.isfinite(loss.item())
    print(json.dumps({"version": torch.__version__, "parameters": sum(p.numel() for p in model.parameters()),
                      "before": before, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))


def peak_of(command):
    """KiB of the largest resident set of one child, and what it printed."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(write, 1)
        os.execvp(command[0], command)
    os.close(write)
    text = os.fdopen(read).read()
    _, status, usage = os.wait4(child, 0)
    if status:
        sys.exit(f"{' '.join(command)}: failed")
    return usage.ru_maxrss, text


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("percept")
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return train(options.dtype, options.threads)
    os.environ["PERCEPT_RUNS"] = ""
    ours, _ = peak_of([options.percept, "bench", "--train", "--filter", "vlm", "-r", str(STEPS - 2), "--dtype", options.dtype,
                       "-t", str(options.threads), "--json"])
    theirs, text = peak_of([sys.executable, __file__, options.percept, "--child", "--dtype", options.dtype,
                            "--threads", str(options.threads)])
    facts = json.loads(text)
    grown = facts["peak"] - facts["before"]
    print(f"{options.dtype}, {options.threads} threads: percept {ours / 1024:.0f} MiB; PyTorch {facts['version']} {theirs / 1024:.0f} MiB"
          f" ({facts['parameters'] / 1e6:.1f}M parameters), {grown / 1024:.0f} without interpreter and library")
    print(f"ratio {ours / theirs:.2f} of the process, {ours / grown:.2f} of what the training adds to it")


main()
