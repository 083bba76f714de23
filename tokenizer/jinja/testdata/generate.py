#!/usr/bin/env python3
"""Writes what Jinja2 renders, set up as Transformers does, for TestGoldens.

    generate.py > language.jsonl          the cases in cases.txt
    generate.py DIRECTORY > real.jsonl    the templates in a directory, each in many conversations

Needs Python 3.11 with Jinja2 3.1.6 (newer Debian: apt-get install python3-jinja2).
"""
import functools
import json
import os
import sys
from datetime import datetime

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

NOW = datetime(2025, 3, 4, 5, 6, 7)


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_render"), [], [], body).set_lineno(line)

    def _render(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
env.filters["tojson"] = tojson
env.globals["raise_exception"] = raise_exception
env.globals["strftime_now"] = lambda format: NOW.strftime(format)


@functools.lru_cache
def compiled(source):
    return env.from_string(source)


def render(source, case):
    """Adds what the template renders to the case."""
    values = {"tools": None, "documents": None, "add_generation_prompt": False, "bos_token": "<s>", "eos_token": "</s>"}
    values |= {k: v for k, v in case.items() if k in ("messages", "tools", "add_generation_prompt")}
    values |= case.get("extra", {})
    try:
        case["want"] = compiled(source).render(**values)
        case["want"].encode()
    except Exception as e:
        case.pop("want", None)
        case["error"] = f"{type(e).__name__}: {e}"
    print(json.dumps(case))


TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "it's <b>the</b> \"weather\" & é 🌞",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "a city"},
                "days": {"type": "integer", "default": 1, "minimum": 0, "maximum": 18446744073709551615},
                "unit": {"type": ["string", "null"], "enum": ["C", "F", None]},
                "where": {"type": "object", "properties": {"lat": {"type": "number", "default": 1.5e-7}}, "required": []},
                "many": {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "boolean"}]}},
            },
            "required": ["city"],
        },
        "return": {"type": "string", "description": "text"},
    },
}
PLAIN = {"type": "function", "function": {"name": "now", "description": "", "parameters": {"type": "object", "properties": {}}}}

SIMPLE = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Adds.",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer", "description": "x"}, "b": {"type": "array", "items": {"type": "string"}}},
            "required": ["a"],
        },
    },
}
# What single templates ask for.
SPECIAL = {
    "enable_thinking": True,
    "functions": [SIMPLE["function"]],
    "datetime": "today",
    "additional_special_tokens": ["<x>", "<y>"],
    "reasoning_effort": "high",
    "inputs": {"asObj": {"inputs": "x"}, "asCurlString": "c", "asJsonString": "j", "asPythonString": "p", "asTsString": "t"},
    "providerInputs": {"asObj": {"inputs": "x"}, "asCurlString": "c", "asJsonString": "j"},
    "autoInputs": {"asObj": {"inputs": "x"}, "asTsString": "t", "asPythonString": "p"},
    "model": {"id": "m"},
    "provider": "hf-inference",
}


def call(arguments, id="abcdefgh1"):
    return {"id": id, "type": "function", "function": {"name": "get_weather", "arguments": arguments}}


def conversations():
    system, user = {"role": "system", "content": "Be brief."}, {"role": "user", "content": " Hi, <b>\"you\"</b>! é🌞\n"}
    answer, more = {"role": "assistant", "content": "Hello.\n"}, {"role": "user", "content": "And?"}
    thought = {"role": "assistant", "content": "<think>\nHm.\n</think>\n\nSo."}
    reasoned = {"role": "assistant", "content": "So.", "reasoning_content": "Hm.\n", "reasoning": "Hm.", "thinking": "Hm."}
    called = {"role": "assistant", "content": "", "tool_calls": [call({"city": "Köln", "days": 2, "at": [1.0, None, True]})]}
    strung = {"role": "assistant", "content": None, "tool_calls": [call('{"city": "Köln"}')]}
    twice = {"role": "assistant", "content": "I call.", "tool_calls": [call({"city": "A"}), call({"city": "B"}, "abcdefgh2")]}
    result = {"role": "tool", "name": "get_weather", "tool_call_id": "abcdefgh1", "content": '{"t": 21.5}'}
    result2 = {"role": "tool", "name": "get_weather", "tool_call_id": "abcdefgh2", "content": "rain"}
    parts = {"role": "user", "content": [{"type": "text", "text": "See "}, {"type": "image", "image": "x"}, {"type": "text", "text": "this"}]}
    texts = {"role": "user", "content": [{"type": "text", "text": "Just text"}]}
    yield [user]
    yield [system, user]
    yield [system, user, answer, more]
    yield [user, answer, more, thought, user, reasoned, more]
    yield [system, user, thought]
    yield [system, user, called, result, answer, more]
    yield [user, strung, result]
    yield [system, user, twice, result, result2]
    yield [parts, answer, texts]
    yield [{"role": "system", "content": [{"type": "text", "text": "S"}]}, texts, {"role": "assistant", "content": [{"type": "text", "text": "T"}]}, texts]
    yield [system]
    yield []
    yield [{"role": "developer", "content": "D"}, user]
    yield [answer, answer, user]
    yield [{"role": "other", "content": "?"}]
    yield [system, {"role": "functions", "content": "F"}, user, answer]
    yield [{"role": "functions", "content": "F"}, user]


def templates(directory):
    sources = {}
    for name in sorted(os.listdir(directory)):
        with open(os.path.join(directory, name), newline="") as f:
            sources[name] = f.read()
    print(json.dumps({"templates": sources}))
    for name, source in sources.items():
        for messages in conversations():
            for tools in (None, [TOOL, PLAIN], [SIMPLE]):
                for prompt in (True, False):
                    for extra in ({}, {"enable_thinking": False, "thinking": True}, SPECIAL):
                        case = {"named": name, "messages": messages, "add_generation_prompt": prompt}
                        if tools:
                            case["tools"] = tools
                        if extra:
                            case["extra"] = extra
                        render(source, case)


EXTRA = {
    "users": [{"name": "john", "age": 23, "tags": ["a", "B"]}, {"name": "Jane", "age": 22}, {"name": "mike", "age": 23, "city": {"n": "X"}}],
    "d": {"b": 1, "A": [1, 2.5, None, True], "c": {"x": "y"}, "items": 5},
    "s": "Hello, wörld! 'q' \"Q\" <&>\t🌞",
    "text": "The quick brown-fox jumps\nover the lazy dog.\n\n  Indented  line\r\nlast",
    "big": 123456789012345678901234567890,
    "f": 3.14159,
    "empty": [],
    "nothing": None,
}


def language():
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "cases.txt")) as f:
        for case in f.read().split("\n"):
            if not case or case.startswith("# "):
                continue
            # A line is a template. \\n, \\r and \\t stand for the characters; what begins with = is an expression.
            source = case.replace("\\n", "\n").replace("\\r", "\r").replace("\\t", "\t").replace("\\|", "\\")
            if source.startswith("="):
                source = "{{ " + source[1:] + " }}"
            render(source, {"template": source, "extra": EXTRA})


if __name__ == "__main__":
    templates(sys.argv[1]) if len(sys.argv) > 1 else language()
