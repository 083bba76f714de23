package gguf

import (
	"strconv"
	"strings"
)

// Role is what a tensor is for.
type Role string

// The roles that the tensors of the architectures have that [File.Config] reads, by their names in GGUF files.
const (
	TokenEmbedding Role = "token_embd"
	Output         Role = "output" // the language-model head; absent if it is the embedding
	OutputNorm     Role = "output_norm"
	HeadPredictor  Role = "lm_head_profiler" // only PowerInfer's files have it: it predicts which rows of the head matter

	AttnNorm   Role = "attn_norm"
	AttnQ      Role = "attn_q"
	AttnK      Role = "attn_k"
	AttnV      Role = "attn_v"
	AttnOutput Role = "attn_output"
	AttnQNorm  Role = "attn_q_norm"
	AttnKNorm  Role = "attn_k_norm"
	FFNNorm    Role = "ffn_norm"

	Router      Role = "ffn_gate_inp"  // [experts, hidden]
	GateExperts Role = "ffn_gate_exps" // [experts, ffn, hidden]
	UpExperts   Role = "ffn_up_exps"   // [experts, ffn, hidden]
	DownExperts Role = "ffn_down_exps" // [experts, hidden, ffn], or [experts, ffn, hidden] if [Config.DownTransposed]
	Gate        Role = "ffn_gate"
	Up          Role = "ffn_up"
	Down        Role = "ffn_down"
)

// layered tells which roles there are, and whether each layer has one.
var layered = map[Role]bool{
	TokenEmbedding: false, Output: false, OutputNorm: false, HeadPredictor: false,
	AttnNorm: true, AttnQ: true, AttnK: true, AttnV: true, AttnOutput: true, AttnQNorm: true, AttnKNorm: true, FFNNorm: true,
	Router: true, GateExperts: true, UpExperts: true, DownExperts: true, Gate: true, Up: true, Down: true,
}

// TensorName returns what the weights of a role are called: blk.3.attn_q.weight, or output_norm.weight, for which the layer does not matter.
func TensorName(role Role, layer int) string {
	if layered[role] {
		return "blk." + strconv.Itoa(layer) + "." + string(role) + ".weight"
	}
	return string(role) + ".weight"
}

// ParseName returns the role and the layer of a tensor, by its name; the layer is −1 for a tensor that is of no layer. ok is false for any other
// name, biases among them.
func ParseName(name string) (role Role, layer int, ok bool) {
	rest, ok := strings.CutSuffix(name, ".weight")
	if !ok {
		return "", -1, false
	}
	layer = -1
	if block, isBlock := strings.CutPrefix(rest, "blk."); isBlock {
		number, part, _ := strings.Cut(block, ".")
		n, err := strconv.Atoi(number)
		if err != nil || strconv.Itoa(n) != number || n < 0 {
			return "", -1, false
		}
		layer, rest = n, part
	}
	if perLayer, known := layered[Role(rest)]; !known || perLayer != (layer >= 0) {
		return "", -1, false
	}
	return Role(rest), layer, true
}
