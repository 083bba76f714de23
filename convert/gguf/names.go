package gguf

import (
	"slices"
	"strconv"
	"strings"

	"st/format"
)

// Name says which weights a tensor holds.
type Name struct {
	Role    format.Role
	Layer   int  // −1: of no layer
	Experts bool // those of all experts of the layer, [experts, out, in]
}

// HeadPredictor is the tensor that predicts which rows of the head matter. Only PowerInfer's files have it.
const HeadPredictor = "lm_head_profiler.weight"

// String returns the name in GGUF files: blk.3.attn_q.weight, blk.3.ffn_down_exps.weight, output_norm.weight.
func (n Name) String() string {
	name := n.Role.String()
	if n.Experts {
		name += "_exps"
	}
	if n.Role.PerLayer() {
		name = "blk." + strconv.Itoa(n.Layer) + "." + name
	}
	return name + ".weight"
}

// ParseName is the inverse of [Name.String]: ok is false for any other name, biases among them.
func ParseName(name string) (n Name, ok bool) {
	rest, ok := strings.CutSuffix(name, ".weight")
	if !ok {
		return Name{}, false
	}
	n.Layer = -1
	if block, isBlock := strings.CutPrefix(rest, "blk."); isBlock {
		number, part, _ := strings.Cut(block, ".")
		var err error
		if n.Layer, err = strconv.Atoi(number); err != nil {
			return Name{}, false
		}
		rest = part
	}
	rest, n.Experts = strings.CutSuffix(rest, "_exps")
	i := slices.IndexFunc(format.Roles(), func(r format.Role) bool { return r.String() == rest })
	if i < 0 {
		return Name{}, false
	}
	n.Role = format.Roles()[i]
	if n.String() != name || n.Layer < -1 || n.Role.PerLayer() != (n.Layer >= 0) || n.Experts && !n.Role.PerExpert() {
		return Name{}, false
	}
	return n, true
}
