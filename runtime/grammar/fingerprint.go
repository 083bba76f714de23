package grammar

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
)

// Fingerprint returns a number that tells grammars apart: the same text, read again, has the same.
func (g *Grammar) Fingerprint() [sha256.Size]byte {
	f := &fingerprint{hash: sha256.New(), parts: map[*Grammar]int{}, rules: map[*Rule]int{}}
	f.add(g)
	return [sha256.Size]byte(f.hash.Sum(nil))
}

type fingerprint struct {
	hash  hash.Hash
	buf   []byte
	parts map[*Grammar]int
	rules map[*Rule]int
}

func (f *fingerprint) numbers(n ...int) {
	f.buf = f.buf[:0]
	for _, x := range n {
		f.buf = binary.AppendVarint(f.buf, int64(x))
	}
	f.hash.Write(f.buf)
}

func (f *fingerprint) add(g *Grammar) {
	if i, ok := f.parts[g]; ok {
		f.numbers(-1, i)
		return
	}
	if g.op != opLiteral && g.op != opClass {
		f.parts[g] = len(f.parts)
	}
	negated := 0
	if g.negated || g.keyed {
		negated = 1
	}
	f.numbers(int(g.op), len(g.text), len(g.set), len(g.parts), g.min, g.max, int(g.token), negated, len(g.states))
	f.hash.Write([]byte(g.text))
	for _, r := range g.set {
		f.numbers(int(r.Lo), int(r.Hi))
	}
	for _, p := range g.parts {
		f.add(p)
	}
	for _, s := range g.states {
		final := 0
		if s.Final {
			final = 1
		}
		f.numbers(final, len(s.Edges))
		for _, e := range s.Edges {
			if f.numbers(e.Next); e.Label == nil {
				f.numbers(-2)
			} else {
				f.add(e.Label)
			}
		}
	}
	if g.op != opRule {
		return
	}
	i, ok := f.rules[g.rule]
	if !ok {
		i = len(f.rules)
		f.rules[g.rule] = i
	}
	if f.numbers(i); !ok && g.rule.body != nil {
		f.add(g.rule.body)
	}
}
