package convert

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"st/format"
	"st/tokenizer/hffile"
)

// architecture is a kind of model that can be converted: how its config.json reads, and what its tensors are called. Everything
// else follows from the roles of the tensors and the config.
type architecture struct {
	name      string // as format.Config says
	class     string // as "architectures" in config.json names it
	modelType string // as "model_type" does
	// around are class and modelType of a larger model, which sees or hears: this one is its text part, and text_config in its config.json.
	around [2]string
	parse  func(text []byte) (format.Config, error)
	// fineAttention makes F16 of attention, and of what is multiplied beside it, where other weights are Q8_0, if nobody asks for another type.
	fineAttention bool
	// tensors are in the order in which they lie in a file: those of the model and of a layer, which are repeated for every
	// layer. Those of an expert make a record.
	tensors []tensorName
	// fused are tensors that hold those of several roles, which checkpoints may have in their place.
	fused []fusedName
	// unitNorms tells that checkpoints hold the weights of norms less 1.
	unitNorms bool
	// stacked are patterns of tensors that a checkpoint numbers from 0 on, and that lie one below the other in files, by their role.
	stacked map[format.Role]string
}

// tensorName is what a checkpoint calls the tensors of a role. In the pattern "%d" stands for the layer, and a second one for the
// expert. A role that experts and layers without experts have is there twice.
type tensorName struct {
	role    format.Role
	pattern string
}

func (t tensorName) perExpert() bool { return strings.Count(t.pattern, "%d") == 2 }

// fusedName is a tensor that holds the rows of several roles, one after the other: [out, in] of a layer, where out is that of all roles, or
// [experts, out, in], or its transpose [experts, in, out], of all experts of a layer.
type fusedName struct {
	pattern string
	experts bool
	roles   []format.Role
}

var architectures = []*architecture{&smallThinker, &qwen3, &qwen3MoE, &gemma3, &gemma3n, &phi3}

// architectureOf returns the architecture of a converted model.
func architectureOf(c *format.Config) (*architecture, error) {
	for _, a := range architectures {
		if a.name == c.Architecture {
			return a, nil
		}
	}
	return nil, fmt.Errorf("%w: %q", ErrArchitecture, c.Architecture)
}

// key says which tensor of a model is meant. Layer and expert are −1 for none.
type key struct {
	role          format.Role
	layer, expert int
}

// tensorName returns what a checkpoint calls a tensor.
func (a *architecture) tensorName(k key) string {
	for _, t := range a.tensors {
		if t.role != k.role || t.perExpert() != (k.expert >= 0) {
			continue
		}
		switch {
		case k.expert >= 0:
			return fmt.Sprintf(t.pattern, k.layer, k.expert)
		case k.layer >= 0:
			return fmt.Sprintf(t.pattern, k.layer)
		}
		return t.pattern
	}
	if k.role.HeadPredictor() {
		return predictorNames[k.role]
	}
	return k.role.String()
}

// fusedOf returns the tensor that may hold a tensor together with others, and its name in a checkpoint; nil if there is none.
func (a *architecture) fusedOf(k key) (f *fusedName, name string) {
	for i := range a.fused {
		f := &a.fused[i]
		if f.experts == (k.expert >= 0) && slices.Contains(f.roles, k.role) {
			return f, fmt.Sprintf(f.pattern, k.layer)
		}
	}
	return nil, ""
}

// has reports whether there is a tensor among those of some names, alone, fused with others, or the first of those that are stacked.
func has[T any](a *architecture, names map[string]T, k key) bool {
	if _, ok := names[a.tensorName(k)]; ok {
		return true
	}
	if pattern := a.stacked[k.role]; pattern != "" {
		_, ok := names[fmt.Sprintf(pattern, 0)]
		return ok
	}
	_, name := a.fusedOf(k)
	_, ok := names[name]
	return ok
}

// keys returns the tensors of a model in the order of its file: the dense part, and then one key for each expert's first tensor.
// The head is always among them, tied or not.
func (a *architecture) keys(c *format.Config) (dense []key, experts [][]key) {
	perLayer := func(t tensorName) bool { return t.role.PerLayer() && !t.perExpert() }
	first := slices.IndexFunc(a.tensors, perLayer)
	for _, t := range a.tensors[:first] {
		dense = append(dense, key{t.role, -1, -1})
	}
	for l := range c.Layers {
		for _, t := range a.tensors {
			if perLayer(t) && hasRole(c, t.role, l) {
				dense = append(dense, key{t.role, l, -1})
			}
		}
	}
	for _, t := range a.tensors[first:] {
		if !t.role.PerLayer() {
			dense = append(dense, key{t.role, -1, -1})
		}
	}
	if c.HeadPredictorRank > 0 {
		dense = append(dense, key{format.RoleHeadPredictorIn, -1, -1}, key{format.RoleHeadPredictorOut, -1, -1})
	}
	for _, l := range c.MoELayers() {
		for x := range c.MoE.Experts {
			var record []key
			for _, t := range a.tensors {
				if t.perExpert() {
					record = append(record, key{t.role, l, x})
				}
			}
			experts = append(experts, record)
		}
	}
	return dense, experts
}

// hasRole reports whether a layer has a tensor of a role outside its experts.
func hasRole(c *format.Config, role format.Role, layer int) bool {
	switch {
	case role == format.RoleRouter:
		return c.HasExperts(layer)
	case role.PerExpert():
		return !c.HasExperts(layer)
	case role >= format.RoleQueryBias && role <= format.RoleAttnOutputBias:
		return c.AttentionBias && (role == format.RoleQueryBias || role == format.RoleAttnOutputBias || c.KVLayer(layer) == layer)
	case role == format.RoleKeyNorm:
		return c.QKNorm && c.KVLayer(layer) == layer
	case role == format.RoleQueryNorm:
		return c.QKNorm
	case role == format.RoleKey || role == format.RoleValue:
		return c.KVLayer(layer) == layer
	case role == format.RoleAltUpCorrectScale:
		return c.AltUp.CorrectScale
	}
	return true
}

// ParseConfig reads a checkpoint's config.json, as Python's json module would. The error names the field that is missing, wrong or not supported.
func ParseConfig(text []byte) (format.Config, error) {
	var head struct {
		Architectures []string                   `json:"architectures"`
		ModelType     string                     `json:"model_type"`
		Text          map[string]json.RawMessage `json:"text_config"`
	}
	text, err := hffile.StrictJSON(text)
	if err == nil {
		err = hffile.Unmarshal(text, &head)
	}
	if err != nil {
		return format.Config{}, err
	}
	is := func(class, modelType string) bool {
		return class != "" && (slices.Contains(head.Architectures, class) || len(head.Architectures) == 0 && head.ModelType == modelType)
	}
	var supported []string
	for _, a := range architectures {
		outer := is(a.around[0], a.around[1])
		whole := is(a.class, a.modelType)
		if outer || whole && a.around[0] != "" && head.Text != nil { // some save a text part with the config of the larger model
			if text, err = textConfig(text); err != nil {
				return format.Config{}, err
			}
		}
		if outer || whole {
			c, err := a.parse(text)
			if err != nil {
				return c, err
			}
			c.Architecture = a.name
			if slices.Contains(c.RoPELayout, true) && c.RotaryDim == 0 && c.HeadDim%2 != 0 {
				return c, fmt.Errorf("field head_dim is %d: it must be even, for positions rotate its dimensions in pairs", c.HeadDim)
			}
			return c, c.Validate()
		}
		supported = append(supported, a.class)
		if a.around[0] != "" {
			supported = append(supported, a.around[0])
		}
	}
	name := strings.Join(head.Architectures, ", ")
	if name == "" {
		name = head.ModelType
	}
	return format.Config{}, fmt.Errorf("%w: %q: this program converts %s", ErrArchitecture, name, strings.Join(supported, ", "))
}
