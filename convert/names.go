package convert

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"st/convert/checkpoint"
	"st/format"
)

// wrappers are parts of names that belong to modules around the model's, at any depth: of torch.compile, FSDP, activation checkpointing,
// Lightning, and PEFT, whose adapter may not be there any more.
var wrappers = []string{"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module", "base_layer"}

// withoutWrappers returns a tensor's name without them.
func withoutWrappers(name string) string {
	if !slices.ContainsFunc(wrappers, func(w string) bool { return strings.Contains(name, w) }) {
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
			note = renamedNote(t.Name, tensors, prefix, base, head)
		}
	}
	return byName, note
}

// renamedNote shows a tensor that has another name now: the anchor, if that has one.
func renamedNote(anchor string, tensors []*checkpoint.Tensor, prefix, base, head string) string {
	old := anchor
	for _, t := range tensors {
		if newName(old, prefix, base, head) != old {
			break
		}
		old = t.Name
	}
	return fmt.Sprintf("tensors are called %s and so on: read as %s", old, newName(old, prefix, base, head))
}

// newName returns a tensor's name with base in place of prefix.
func newName(name, prefix, base, head string) string {
	name = withoutWrappers(name)
	if name == head || strings.HasSuffix(name, "."+head) {
		return head
	}
	if rest, ok := strings.CutPrefix(name, prefix); ok {
		return base + rest
	}
	return name
}

// renamed returns tensors by their new names; nil if two of them would have the same.
func renamed(tensors []*checkpoint.Tensor, prefix, base, head string) map[string]*checkpoint.Tensor {
	names := make(map[string]*checkpoint.Tensor, len(tensors))
	for _, t := range tensors {
		name := newName(t.Name, prefix, base, head)
		if names[name] != nil {
			return nil
		}
		names[name] = t
	}
	return names
}

// averagePrefixes are those of a moving average of the weights, which training programs save beside the model.
var averagePrefixes = []string{"ema.", "ema_model.", "model_ema."}

// withoutAverages returns tensors without the averages of others, and a note if there are any.
func withoutAverages(tensors []*checkpoint.Tensor) ([]*checkpoint.Tensor, string) {
	names := make(map[string]bool, len(tensors))
	for _, t := range tensors {
		names[t.Name] = true
	}
	first, n := "", len(tensors)
	tensors = slices.DeleteFunc(tensors, func(t *checkpoint.Tensor) bool {
		for _, prefix := range averagePrefixes {
			if rest, ok := strings.CutPrefix(t.Name, prefix); ok && names[rest] {
				first = cmp.Or(first, t.Name)
				return true
			}
		}
		return false
	})
	if first == "" {
		return tensors, ""
	}
	return tensors, fmt.Sprintf("%d tensors, %s and so on, are averages of the model's own, which is what is converted: they are left out", n-len(tensors), first)
}
