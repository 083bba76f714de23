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

// OfText reports whether a tensor belongs to the part of a model that reads and writes text. Ollama's files of Gemma 3 have the part that sees, too.
func OfText(architecture, name string) bool {
	return architecture != "gemma3" || !strings.HasPrefix(name, "v.") && !strings.HasPrefix(name, "mm.")
}

// Fused is a matrix that holds those of several roles of a layer, one after the other: [out, in], where out is that of all roles.
type Fused struct {
	Part  string // blk.3.attn_qkv.weight has attn_qkv
	Roles []format.Role
}

// Name returns the matrix's name in a layer.
func (f *Fused) Name(layer int) string {
	return "blk." + strconv.Itoa(layer) + "." + f.Part + ".weight"
}

// FusedOf returns the matrix that files of an architecture have for a role and others; nil: a role has a matrix of its own.
func FusedOf(architecture string, role format.Role) *Fused {
	for i := range fused[architecture] {
		if f := &fused[architecture][i]; slices.Contains(f.Roles, role) {
			return f
		}
	}
	return nil
}

var fused = map[string][]Fused{"phi3": {
	{"attn_qkv", []format.Role{format.RoleQuery, format.RoleKey, format.RoleValue}},
	{"ffn_up", []format.Role{format.RoleGate, format.RoleUp}},
}}

// The factors of LongRoPE, which Phi-3's files have as vectors.
const (
	LongFactors  = "rope_factors_long.weight"
	ShortFactors = "rope_factors_short.weight"
)
