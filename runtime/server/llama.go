package server

import (
	"cmp"
	"net/http"

	"st/format"
	"st/runtime"
)

// What clients of llama.cpp's server ask for besides OpenAI's API, as https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md describes it.

func (s *Server) routesLlama(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/health", s.health)
	mux.HandleFunc("GET /models", s.openAIModels)
	mux.HandleFunc("POST /chat/completions", s.queued(s.chatCompletions))
	mux.HandleFunc("POST /responses", s.queued(s.responses))
	mux.HandleFunc("GET /props", s.llamaProps)
	mux.HandleFunc("POST /completion", s.queued(s.llamaCompletions))
	mux.HandleFunc("POST /completions", s.queued(s.llamaCompletions))
	mux.HandleFunc("POST /infill", s.queued(s.llamaInfill))
	mux.HandleFunc("POST /tokenize", handler(s.llamaTokenize))
	mux.HandleFunc("POST /detokenize", handler(s.llamaDetokenize))
	mux.HandleFunc("POST /apply-template", handler(s.llamaApplyTemplate))
	mux.HandleFunc("POST /embedding", handler(noEmbeddings))
	mux.HandleFunc("POST /embeddings", handler(noEmbeddings))
}

// llamaProperties is the answer of /props.
type llamaProperties struct {
	Defaults struct {
		Context int           `json:"n_ctx"`
		Params  llamaSampling `json:"params"`
	} `json:"default_generation_settings"`
	Slots        int    `json:"total_slots"`
	Alias        string `json:"model_alias"`
	Path         string `json:"model_path"`
	ChatTemplate string `json:"chat_template"`
	Modalities   struct {
		Vision bool `json:"vision"`
		Audio  bool `json:"audio"`
	} `json:"modalities"`
	Sleeping bool `json:"is_sleeping"` // the next request loads the model
}

// llamaSampling is what a text is sampled with.
type llamaSampling struct {
	Temperature   float64 `json:"temperature"`
	TopK          int     `json:"top_k"`
	TopP          float64 `json:"top_p"`
	MinP          float64 `json:"min_p"`
	RepeatPenalty float64 `json:"repeat_penalty"`
}

func newLlamaSampling(g *runtime.Generate, file *format.Generation) llamaSampling {
	o := g.Sampling(file)
	return llamaSampling{o.Temperature, o.TopK, o.TopP, o.MinP, o.RepeatPenalty}
}

// llamaProps answers /props, of the model that the query names. A server of one model need not be told which.
func (s *Server) llamaProps(w http.ResponseWriter, r *http.Request) {
	sv, err := s.models.find(r.URL.Query().Get("model"))
	if err != nil {
		writeError(w, r, err)
		return
	}
	serving(r.Context(), sv)
	file, err := format.Open(sv.Path)
	if err != nil {
		writeError(w, r, orRemoved(sv, err))
		return
	}
	defer file.Close()
	p := llamaProperties{Slots: s.opts.Parallel, Alias: sv.Name, Path: sv.Path, ChatTemplate: file.ChatTemplate}
	p.Defaults.Params = newLlamaSampling(&runtime.Generate{}, &file.Generation)
	p.Defaults.Context, p.Sleeping = s.models.context(sv)
	writeJSON(w, http.StatusOK, p)
}

// context returns the context of a model; if it is not loaded, the one that it has if memory allows that.
func (m *models) context(sv *served) (tokens int, sleeping bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if sv.model == nil {
		return cmp.Or(m.opts.Context, sv.Config.Context), true
	}
	return sv.model.Context(), false
}
