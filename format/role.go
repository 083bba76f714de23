package format

import (
	"fmt"
	"strings"
)

// Role is what a tensor is for: what an architecture binds its weights by, whatever the checkpoint calls them. The values are part
// of the file format; new ones are added at the end.
type Role uint8

// The roles, with the shapes that tensors have in the checkpoint. A layer has one of each at most, and so has an expert.
const (
	RoleNone       Role = iota // known by its name only
	RoleEmbedding              // [vocab, hidden] the table that token embeddings are looked up in
	RoleFinalNorm              // [hidden] before the head
	RoleHead                   // [vocab, hidden] the language-model head; absent: the embedding table is the head
	RoleAttnNorm               // [hidden] before attention
	RoleQuery                  // [heads·head_dim, hidden]
	RoleKey                    // [kv_heads·head_dim, hidden]
	RoleValue                  // [kv_heads·head_dim, hidden]
	RoleAttnOutput             // [hidden, heads·head_dim]
	RoleQueryNorm              // [head_dim] of each head's query
	RoleKeyNorm                // [head_dim] of each head's key
	RoleFFNNorm                // [hidden] before the feed-forward network
	RoleRouter                 // [experts, hidden]
	RoleGate                   // [ffn, hidden] of an expert, or of a layer without experts; so are up and down
	RoleUp                     // [ffn, hidden]
	RoleDown                   // [hidden, ffn]
	numRoles
)

// roleNames are those of GGUF, without "blk.N." and ".weight".
var roleNames = [numRoles]string{
	"none", "token_embd", "output_norm", "output", "attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "attn_q_norm", "attn_k_norm",
	"ffn_norm", "ffn_gate_inp", "ffn_gate", "ffn_up", "ffn_down",
}

// Roles returns all roles but RoleNone.
func Roles() []Role {
	all := make([]Role, 0, numRoles)
	for r := RoleNone + 1; r < numRoles; r++ {
		all = append(all, r)
	}
	return all
}

// String returns the name that GGUF gives a tensor of the role, without layer and ".weight": attn_q, ffn_gate_inp.
func (r Role) String() string {
	if r < numRoles {
		return roleNames[r]
	}
	return fmt.Sprintf("role %d", uint8(r))
}

// PerLayer reports whether tensors of the role belong to a layer.
func (r Role) PerLayer() bool { return r >= RoleAttnNorm }

// PerExpert reports whether tensors of the role belong to an expert, in layers that have experts.
func (r Role) PerExpert() bool { return r == RoleGate || r == RoleUp || r == RoleDown }

// Shape returns the shape that a tensor of a role has in the checkpoint: [out, in], or [n] of a norm. expert tells whether it belongs to
// an expert. It is nil for RoleNone.
func (c *Config) Shape(role Role, expert bool) []int {
	ffn := c.FFN
	if expert {
		ffn = c.MoE.ExpertFFN
	}
	switch role {
	case RoleEmbedding, RoleHead:
		return []int{c.Vocab, c.Hidden}
	case RoleFinalNorm, RoleAttnNorm, RoleFFNNorm:
		return []int{c.Hidden}
	case RoleQuery:
		return []int{c.Heads * c.HeadDim, c.Hidden}
	case RoleKey, RoleValue:
		return []int{c.KVHeads * c.HeadDim, c.Hidden}
	case RoleAttnOutput:
		return []int{c.Hidden, c.Heads * c.HeadDim}
	case RoleQueryNorm, RoleKeyNorm:
		return []int{c.HeadDim}
	case RoleRouter:
		return []int{c.MoE.Experts, c.Hidden}
	case RoleGate, RoleUp:
		return []int{ffn, c.Hidden}
	case RoleDown:
		return []int{c.Hidden, ffn}
	}
	return nil
}

// version1Roles are the roles of a SmallThinker checkpoint's tensors by their names, without layer and expert: directories of version 1
// do not say them.
var version1Roles = map[string]Role{
	"model.embed_tokens":              RoleEmbedding,
	"model.norm":                      RoleFinalNorm,
	"lm_head":                         RoleHead,
	"input_layernorm":                 RoleAttnNorm,
	"self_attn.q_proj":                RoleQuery,
	"self_attn.k_proj":                RoleKey,
	"self_attn.v_proj":                RoleValue,
	"self_attn.o_proj":                RoleAttnOutput,
	"post_attention_layernorm":        RoleFFNNorm,
	"block_sparse_moe.primary_router": RoleRouter,
	"gate":                            RoleGate,
	"up":                              RoleUp,
	"down":                            RoleDown,
}

// version1Role returns the role of a tensor of a file of version 1, in a record.
func version1Role(name string, r *Record) Role {
	prefix := ""
	if r.Layer >= 0 {
		prefix = fmt.Sprintf("model.layers.%d.", r.Layer)
	}
	if r.IsExpert() {
		prefix += fmt.Sprintf("block_sparse_moe.experts.%d.", r.Expert)
	}
	rest, ok := strings.CutPrefix(name, prefix)
	rest, weight := strings.CutSuffix(rest, ".weight")
	role := version1Roles[rest]
	if !ok || !weight || role.PerLayer() != (r.Layer >= 0) || role.PerExpert() != r.IsExpert() {
		return RoleNone
	}
	return role
}
