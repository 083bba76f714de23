package convert

import (
	"fmt"
	"slices"
	"strings"

	"st/convert/checkpoint"
	"st/format"
)

// wrappers are parts of names that belong to modules around the model's, at any depth: of torch.compile, FSDP, activation checkpointing
// and Lightning.
var wrappers = []string{"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module"}

// withoutWrappers returns a tensor's name without them.
func withoutWrappers(name string) string {
	if !strings.Contains(name, "_m") && !strings.Contains(name, "_w") {
		return name
	}
	return strings.Join(slices.DeleteFunc(strings.Split(name, "."), func(part string) bool { return slices.Contains(wrappers, part) }), ".")
}

// rename returns a checkpoint's tensors by the names that the architecture gives them, and a note if they have others: one prefix that
// all share, as training programs and larger models around this one write it ("module.", "base_model.model.", "language_model."), or
// none at all where there should be "model.". Names are changed if more of the model's tensors are found with it than without.
func rename(tensors []*checkpoint.Tensor, a *architecture, c *format.Config) (byName map[string]*checkpoint.Tensor, note string) {
	plain := make(map[string]*checkpoint.Tensor, len(tensors))
	for _, t := range tensors {
		plain[t.Name] = t
	}
	anchor, head := a.tensorName(key{format.RoleEmbedding, -1, -1}), a.tensorName(key{format.RoleHead, -1, -1})
	base, tail := "", anchor // of "model.embed_tokens.weight"
	if i := strings.Index(anchor, "."); i >= 0 {
		base, tail = anchor[:i+1], anchor[i+1:]
	}
	dense, _ := a.keys(c)
	found := func(names map[string]*checkpoint.Tensor) (n int) {
		for _, k := range dense {
			if has(a, names, k) {
				n++
			}
		}
		return n
	}
	byName, most := plain, found(plain)
	if most == len(dense) {
		return plain, ""
	}
	tried := map[string]bool{}
	for _, t := range tensors {
		prefix, ok := strings.CutSuffix(withoutWrappers(t.Name), tail)
		if !ok || prefix != "" && !strings.HasSuffix(prefix, ".") || tried[prefix] || len(tried) == 16 {
			continue
		}
		tried[prefix] = true
		names := renamed(tensors, prefix, base, head)
		if n := found(names); n > most {
			byName, most = names, n
			note = fmt.Sprintf("tensors are called %s and so on: read as %s", t.Name, anchor)
		}
	}
	return byName, note
}

// renamed returns tensors by their names with base in place of prefix; nil if two of them would have the same.
func renamed(tensors []*checkpoint.Tensor, prefix, base, head string) map[string]*checkpoint.Tensor {
	names := make(map[string]*checkpoint.Tensor, len(tensors))
	for _, t := range tensors {
		name := withoutWrappers(t.Name)
		if name == head || strings.HasSuffix(name, "."+head) {
			name = head
		} else if rest, ok := strings.CutPrefix(name, prefix); ok {
			name = base + rest
		}
		if names[name] != nil {
			return nil
		}
		names[name] = t
	}
	return names
}
