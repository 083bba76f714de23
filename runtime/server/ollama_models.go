package server

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"time"

	"st/format"
	"st/quant"
	"st/runtime"
)

// ollamaModel is a model in the list of /api/tags.
type ollamaModel struct {
	Name       string        `json:"name"`
	Model      string        `json:"model"`
	ModifiedAt *time.Time    `json:"modified_at,omitempty"`
	Size       int64         `json:"size"` // of the file, or in memory
	Digest     string        `json:"digest"`
	Details    ollamaDetails `json:"details"`
}

// ollamaRunning is a model in the list of /api/ps.
type ollamaRunning struct {
	ollamaModel
	ExpiresAt     time.Time `json:"expires_at"`
	SizeVRAM      int64     `json:"size_vram"` // nothing is there
	ContextLength int       `json:"context_length"`
}

type ollamaDetails struct {
	ParentModel       string   `json:"parent_model"`
	Format            string   `json:"format"`
	Family            string   `json:"family"`
	Families          []string `json:"families"`
	ParameterSize     string   `json:"parameter_size"`
	QuantizationLevel string   `json:"quantization_level"`
}

func newOllamaModel(m *ModelInfo) ollamaModel {
	name := m.Name
	if !strings.Contains(name, ":") {
		name += ":latest"
	}
	return ollamaModel{Name: name, Model: name, ModifiedAt: &m.Modified, Size: m.Size, Digest: ollamaDigest(m), Details: newOllamaDetails(m)}
}

func newOllamaDetails(m *ModelInfo) ollamaDetails {
	a := m.Config.Architecture
	return ollamaDetails{Format: "stm", Family: a, Families: []string{a}, ParameterSize: humanCount(m.Parameters), QuantizationLevel: strings.ToUpper(m.Quantization.String())}
}

// ollamaDigest tells files apart. It is not of what they hold: to read all of that would take minutes.
func ollamaDigest(m *ModelInfo) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d\x00%d", m.Name, m.Size, m.Modified.UnixNano()))
	return hex.EncodeToString(sum[:])
}

// humanCount writes a number as model cards do: 4.3B.
func humanCount(n int64) string {
	for _, unit := range []struct {
		size int64
		name string
	}{{1e12, "T"}, {1e9, "B"}, {1e6, "M"}, {1e3, "K"}} {
		if n >= unit.size {
			return fmt.Sprintf("%.1f%s", float64(n)/float64(unit.size), unit.name)
		}
	}
	return fmt.Sprint(n)
}

// weights returns how many weights a model has, and the type that most of them have.
func weights(r *format.Reader) (n int64, most quant.Type) {
	byType := map[quant.Type]int64{}
	for i := range r.Records() {
		for _, t := range r.Records()[i].Tensors {
			if t.Role == format.RoleHead && r.Config.TiedEmbeddings || t.Role.HeadPredictor() {
				continue // it is the embedding once more, or no part of the model
			}
			n += t.Params()
			byType[t.Type] += t.Params()
			if byType[t.Type] > byType[most] {
				most = t.Type
			}
		}
	}
	return n, most
}

// ollamaTags answers /api/tags.
func (s *Server) ollamaTags(w http.ResponseWriter, _ *http.Request) {
	list := struct {
		Models []ollamaModel `json:"models"`
	}{[]ollamaModel{}}
	for _, m := range s.Models() {
		list.Models = append(list.Models, newOllamaModel(&m))
	}
	writeJSON(w, http.StatusOK, list)
}

// forever is a time at which a model leaves that stays until its memory is needed: Ollama's command takes what is far away for that.
const forever = 100 * 365 * 24 * time.Hour

// ollamaPS answers /api/ps.
func (s *Server) ollamaPS(w http.ResponseWriter, _ *http.Request) {
	list := struct {
		Models []ollamaRunning `json:"models"`
	}{s.models.ollamaRunning()}
	writeJSON(w, http.StatusOK, list)
}

func (m *models) ollamaRunning() []ollamaRunning {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := []ollamaRunning{}
	for _, sv := range m.all() {
		if sv.model == nil {
			continue
		}
		info := sv.info(m.opts.KeepAlive)
		o := ollamaRunning{ollamaModel: newOllamaModel(&info), ExpiresAt: info.Expires, ContextLength: sv.model.Context()}
		o.ModifiedAt, o.Size = nil, min(sv.grant, sv.Needed)
		if o.ExpiresAt.IsZero() {
			o.ExpiresAt = time.Now().Add(forever)
		}
		list = append(list, o)
	}
	return list
}

// ollamaName is a body that names a model.
type ollamaName struct {
	Model string `json:"model"`
	Name  string `json:"name"` // of older clients
}

// name returns the model's name.
func (q *ollamaName) name() string {
	if q.Model == "" {
		return q.Name
	}
	return q.Model
}

// ollamaNamed returns the model that a body names.
func (s *Server) ollamaNamed(body []byte) (*served, error) {
	var q ollamaName
	if err := decode(body, &q, ""); err != nil {
		return nil, err
	}
	return s.ollamaFind(q.name())
}

// ollamaShowAnswer is the answer of /api/show.
type ollamaShowAnswer struct {
	Modelfile    string         `json:"modelfile"`
	Parameters   string         `json:"parameters"`
	Template     string         `json:"template"`
	Details      ollamaDetails  `json:"details"`
	ModelInfo    map[string]any `json:"model_info"`
	Capabilities []string       `json:"capabilities"`
	ModifiedAt   time.Time      `json:"modified_at"`
}

// ollamaShow answers /api/show.
func (s *Server) ollamaShow(w http.ResponseWriter, r *http.Request, body []byte) error {
	sv, err := s.ollamaNamed(body)
	if err != nil {
		return err
	}
	serving(r.Context(), sv)
	file, err := format.Open(sv.Path)
	if err != nil {
		return orRemoved(sv, err)
	}
	defer file.Close()
	writeJSON(w, http.StatusOK, ollamaShowAnswer{
		Modelfile: "FROM " + sv.Name + "\n", Parameters: ollamaParameters(&file.Generation), Template: file.ChatTemplate, Details: newOllamaDetails(&sv.ModelInfo),
		ModelInfo: ollamaModelInfo(&sv.ModelInfo), Capabilities: ollamaCapabilities(file), ModifiedAt: sv.Modified,
	})
	return nil
}

// ollamaCapabilities tells what a model can do.
func ollamaCapabilities(file *format.Reader) []string {
	all := []string{"completion"}
	if file.ChatTemplate != "" {
		all = append(all, "tools")
	}
	if runtime.Reasons(file.ChatTemplate) {
		all = append(all, "thinking")
	}
	if runtime.Infills(file) {
		all = append(all, "insert")
	}
	return all
}

// ollamaParameters writes what a model samples with, as a Modelfile would.
func ollamaParameters(g *format.Generation) string {
	o := (&runtime.Generate{}).Sampling(g)
	var b strings.Builder
	for _, p := range []struct {
		name  string
		value any
	}{{"temperature", o.Temperature}, {"top_k", o.TopK}, {"top_p", o.TopP}, {"min_p", o.MinP}, {"repeat_penalty", o.RepeatPenalty}} {
		fmt.Fprintf(&b, "%-30s %v\n", p.name, p.value)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// ollamaModelInfo tells of a model in the names that GGUF files have.
func ollamaModelInfo(m *ModelInfo) map[string]any {
	c := &m.Config
	info := map[string]any{"general.architecture": c.Architecture, "general.basename": m.Name, "general.parameter_count": m.Parameters}
	for name, v := range map[string]any{
		"context_length": c.Context, "embedding_length": c.Hidden, "block_count": c.Layers, "vocab_size": c.Vocab, "attention.head_count": c.Heads,
		"attention.head_count_kv": c.KVHeads, "attention.key_length": c.HeadDim, "attention.layer_norm_rms_epsilon": c.RMSNormEps, "rope.freq_base": c.RoPETheta,
	} {
		info[c.Architecture+"."+name] = v
	}
	if c.MoE != nil {
		info[c.Architecture+".expert_count"], info[c.Architecture+".expert_used_count"] = c.MoE.Experts, c.MoE.ExpertsPerToken
		info[c.Architecture+".expert_feed_forward_length"] = c.MoE.ExpertFFN
	}
	return info
}
