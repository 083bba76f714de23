package report

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"st/format"
)

// Class is what tensors are for, in groups.
type Class string

// The classes of tensors, and of what a file holds besides them.
const (
	Embedding Class = "embedding"
	PerLayer  Class = "per-layer embedding" // the table of the layers' own embeddings
	Attention Class = "attention"
	Residual  Class = "residual" // what else moves between the vectors of the residual stream
	Norms     Class = "norms"
	Routers   Class = "routers"
	Experts   Class = "experts"
	DenseFFN  Class = "dense ffn" // the feed-forward networks of layers without experts
	Head      Class = "lm_head"
	Predictor Class = "lm_head predictor" // of the rows of the head that matter
	Other     Class = "other"
	Metadata  Class = "metadata" // header, directory, tokenizer, provenance, …
	Padding   Class = "padding"
)

// Classes are all classes, in the order in which reports list them.
var Classes = []Class{Embedding, PerLayer, Attention, Residual, Norms, Routers, Experts, DenseFFN, Head, Predictor, Other, Metadata, Padding}

// classOf returns the class of a tensor of an .stm file; expert: it belongs to one.
func classOf(role format.Role, expert bool) Class {
	switch role {
	case format.RoleEmbedding:
		return Embedding
	case format.RolePerLayerEmbedding:
		return PerLayer
	case format.RoleHead:
		return Head
	case format.RoleHeadPredictorIn, format.RoleHeadPredictorOut:
		return Predictor
	case format.RoleQuery, format.RoleKey, format.RoleValue, format.RoleAttnOutput, format.RoleQueryBias, format.RoleKeyBias, format.RoleValueBias,
		format.RoleAttnOutputBias:
		return Attention
	case format.RolePerLayerModel, format.RoleAltUpProjection, format.RoleAltUpUnembedding, format.RolePerLayerGate, format.RolePerLayerProjection,
		format.RoleLaurelLeft, format.RoleLaurelRight:
		return Residual
	case format.RoleFinalNorm, format.RoleAttnNorm, format.RoleQueryNorm, format.RoleKeyNorm, format.RoleFFNNorm, format.RolePostAttnNorm,
		format.RolePostFFNNorm, format.RolePerLayerModelNorm, format.RolePerLayerNorm, format.RoleAltUpRouterNorm, format.RoleLaurelNorm,
		format.RoleAltUpCorrectScale:
		return Norms
	case format.RoleRouter, format.RoleAltUpRouter, format.RoleAltUpPredict, format.RoleAltUpCorrect:
		return Routers
	case format.RoleGate, format.RoleUp, format.RoleDown:
		if expert {
			return Experts
		}
		return DenseFFN
	}
	return Other
}

// ffnPart returns what a matrix of a feed-forward network is called in reports; "" for another role.
func ffnPart(role format.Role) string {
	return map[format.Role]string{format.RoleGate: "gate", format.RoleUp: "up", format.RoleDown: "down"}[role]
}

// ClassOfName guesses the class of a tensor by its name in a checkpoint or in a GGUF file, which may be of any architecture.
func ClassOfName(name string) Class {
	for _, c := range []struct {
		part  string
		class Class
	}{
		{"lm_head_profiler.", Predictor},
		{".experts.", Experts}, {"_exps.", Experts},
		{"router.", Routers}, {"ffn_gate_inp", Routers}, {"exp_probs_b", Routers}, {"mlp.gate.", Routers}, {"moe.gate.", Routers},
		{"norm", Norms}, {"altup_correct_scale", Norms}, {"correct_output_scale", Norms},
		{"altup_pro", Residual}, {"altup_unemb", Residual}, {"laurel", Residual}, {"altup", Routers},
		{"embed_tokens_per_layer", PerLayer}, {"per_layer_token_embd", PerLayer}, {"per_layer_", Residual}, {".inp_gate.", Residual},
		{"attn", Attention}, {"attention", Attention},
		{"embed_tokens", Embedding}, {"token_embd", Embedding}, {"tok_embeddings", Embedding}, {"word_embeddings", Embedding}, {"wte.", Embedding},
		{"mlp.", DenseFFN}, {"ffn_", DenseFFN}, {"feed_forward.", DenseFFN},
		{"lm_head.", Head},
	} {
		if strings.Contains(strings.ToLower(name), c.part) {
			return c.class
		}
	}
	if name == "output.weight" {
		return Head
	}
	return Other
}

// matrixName returns what a tensor is called in its layer or expert: q_proj, gate.
func matrixName(tensor string) string {
	parts := strings.Split(strings.TrimSuffix(tensor, ".weight"), ".")
	return parts[len(parts)-1]
}

// layerName finds the layer in a tensor's name: model.layers.3.… in checkpoints, blk.3.… in GGUF files.
var layerName = regexp.MustCompile(`(?:^|\.)(?:layers|blk)\.(\d+)\.`)

// layerOfName returns the layer in a tensor's name; −1: none.
func layerOfName(name string) int {
	if m := layerName.FindStringSubmatch(name); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			return n
		}
	}
	return -1
}

// appendNew appends a string that the list does not hold yet.
func appendNew(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}
