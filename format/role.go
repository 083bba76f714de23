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
	RoleNone               Role = iota // known by its name only
	RoleEmbedding                      // [vocab, hidden] the table that token embeddings are looked up in
	RoleFinalNorm                      // [hidden] before the head
	RoleHead                           // [vocab, hidden] the language-model head; absent: the embedding table is the head
	RoleAttnNorm                       // [hidden] before attention
	RoleQuery                          // [heads·head_dim, hidden]
	RoleKey                            // [kv_heads·head_dim, hidden]
	RoleValue                          // [kv_heads·head_dim, hidden]
	RoleAttnOutput                     // [hidden, heads·head_dim]
	RoleQueryNorm                      // [head_dim] of each head's query
	RoleKeyNorm                        // [head_dim] of each head's key
	RoleFFNNorm                        // [hidden] before the feed-forward network
	RoleRouter                         // [experts, hidden]
	RoleGate                           // [ffn, hidden] of an expert, or of a layer without experts; so are up and down
	RoleUp                             // [ffn, hidden]
	RoleDown                           // [hidden, ffn]
	RolePostAttnNorm                   // [hidden] of the output of attention
	RolePostFFNNorm                    // [hidden] of the output of the feed-forward network
	RolePerLayerEmbedding              // [per-layer vocab, layers·size] the table of every layer's own embeddings
	RolePerLayerModel                  // [layers·size, hidden] what is added to them, from the token's embedding
	RolePerLayerModelNorm              // [size] of that, layer by layer
	RoleAltUpProjection                // [(altup−1)·hidden, hidden] from a token's embedding to the other vectors of the residual stream
	RoleAltUpUnembedding               // [(altup−1)·hidden, hidden] from those back
	RolePerLayerGate                   // [size, hidden] of a layer's own embedding
	RolePerLayerProjection             // [hidden, size] from the gated embedding to the residual stream
	RolePerLayerNorm                   // [hidden] of that
	RoleAltUpRouter                    // [altup, hidden]
	RoleAltUpRouterNorm                // [hidden] of the router's input
	RoleAltUpPredict                   // [altup², altup] coefficients that predict the vectors of the residual stream
	RoleAltUpCorrect                   // [altup, altup] coefficients that correct them
	RoleAltUpCorrectScale              // [hidden] of what gates a layer's own embedding
	RoleLaurelLeft                     // [rank, hidden]
	RoleLaurelRight                    // [hidden, rank]
	RoleLaurelNorm                     // [hidden] of the learned augmented residual
	RoleHeadPredictorIn                // [rank, hidden] from the head's input to the input of RoleHeadPredictorOut
	RoleHeadPredictorOut               // [vocab, rank] scores that tell which rows of the head are worth computing
	RoleQueryBias                      // [heads·head_dim] added to what RoleQuery makes
	RoleKeyBias                        // [kv_heads·head_dim]
	RoleValueBias                      // [kv_heads·head_dim]
	RoleAttnOutputBias                 // [hidden]
	numRoles
)

// roleNames are those of GGUF, without "blk.N." and ".weight"; a bias has its matrix's, which ".bias" follows there.
var roleNames = [numRoles]string{
	"none", "token_embd", "output_norm", "output", "attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "attn_q_norm", "attn_k_norm",
	"ffn_norm", "ffn_gate_inp", "ffn_gate", "ffn_up", "ffn_down", "post_attention_norm", "post_ffw_norm", "per_layer_token_embd",
	"per_layer_model_proj", "per_layer_proj_norm", "altup_proj", "altup_unembd_proj", "inp_gate", "proj", "post_norm", "altup_router",
	"altup_router_norm", "altup_predict_coef", "altup_correct_coef", "altup_correct_scale", "laurel_l", "laurel_r", "laurel_post_norm",
	"head_predictor_in", "head_predictor_out", "attn_q.bias", "attn_k.bias", "attn_v.bias", "attn_output.bias",
}

// Roles returns all roles but RoleNone.
func Roles() []Role {
	all := make([]Role, 0, numRoles)
	for r := RoleNone + 1; r < numRoles; r++ {
		all = append(all, r)
	}
	return all
}

// String returns the name that GGUF gives a tensor of the role, without layer and ".weight": attn_q, ffn_gate_inp. It has none for those of
// [Role.HeadPredictor].
func (r Role) String() string {
	if r < numRoles {
		return roleNames[r]
	}
	return fmt.Sprintf("role %d", uint8(r))
}

// PerLayer reports whether tensors of the role belong to a layer.
func (r Role) PerLayer() bool {
	return r >= RoleAttnNorm && (r < RolePerLayerEmbedding || r > RoleAltUpUnembedding) && !r.HeadPredictor()
}

// HeadPredictor reports whether tensors of the role predict which rows of the head matter: a model runs without them.
func (r Role) HeadPredictor() bool { return r == RoleHeadPredictorIn || r == RoleHeadPredictorOut }

// PerExpert reports whether tensors of the role belong to an expert, in layers that have experts.
func (r Role) PerExpert() bool { return r == RoleGate || r == RoleUp || r == RoleDown }

// Shape returns the shape that a tensor of a role has in the checkpoint: [out, in], or [n] of a norm. layer is its layer, −1 if it belongs to
// none, and expert tells whether it belongs to an expert. It is nil for RoleNone, and for parts that the config has not.
func (c *Config) Shape(role Role, layer int, expert bool) []int {
	ffn := c.FFN
	switch {
	case expert:
		ffn = c.MoE.ExpertFFN
	case layer >= 0 && role.PerExpert():
		ffn = c.FFNOf(layer)
	}
	switch role {
	case RoleEmbedding, RoleHead:
		return []int{c.Vocab, c.Hidden}
	case RoleFinalNorm, RoleAttnNorm, RoleFFNNorm, RolePostAttnNorm, RolePostFFNNorm, RolePerLayerNorm, RoleAltUpRouterNorm, RoleAltUpCorrectScale,
		RoleLaurelNorm:
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
	case RoleHeadPredictorIn:
		return []int{c.HeadPredictorRank, c.Hidden}
	case RoleHeadPredictorOut:
		return []int{c.Vocab, c.HeadPredictorRank}
	}
	return c.gemma3nShape(role)
}

// gemma3nShape is Shape for the roles that only Gemma 3n has.
func (c *Config) gemma3nShape(role Role) []int {
	switch role {
	case RoleLaurelLeft:
		return []int{c.LaurelRank, c.Hidden}
	case RoleLaurelRight:
		return []int{c.Hidden, c.LaurelRank}
	}
	if c.AttentionBias {
		switch role {
		case RoleQueryBias:
			return []int{c.Heads * c.HeadDim}
		case RoleKeyBias, RoleValueBias:
			return []int{c.KVHeads * c.HeadDim}
		case RoleAttnOutputBias:
			return []int{c.Hidden}
		}
	}
	if p := c.PerLayerInput; p != nil {
		switch role {
		case RolePerLayerEmbedding:
			return []int{p.Vocab, c.Layers * p.Size}
		case RolePerLayerModel:
			return []int{c.Layers * p.Size, c.Hidden}
		case RolePerLayerModelNorm:
			return []int{p.Size}
		case RolePerLayerGate:
			return []int{p.Size, c.Hidden}
		case RolePerLayerProjection:
			return []int{c.Hidden, p.Size}
		}
	}
	if a := c.AltUp; a != nil {
		switch role {
		case RoleAltUpProjection, RoleAltUpUnembedding:
			return []int{(a.Inputs - 1) * c.Hidden, c.Hidden}
		case RoleAltUpRouter:
			return []int{a.Inputs, c.Hidden}
		case RoleAltUpPredict:
			return []int{a.Inputs * a.Inputs, a.Inputs}
		case RoleAltUpCorrect:
			return []int{a.Inputs, a.Inputs}
		}
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
