// Package server answers HTTP requests of OpenAI's, Ollama's and Anthropic's API. It loads a model at its first request. It knows nothing of a command
// line.
//
//	s, err := server.New(server.Options{Models: []string{"4b.stm", "21b.stm"}, Memory: 8 << 30, Parallel: 4})
//	if err != nil {
//		return err
//	}
//	defer s.Close()
//	l, err := net.Listen("tcp", "127.0.0.1:11434")
//	if err != nil {
//		return err
//	}
//	return s.Serve(ctx, l) // until ctx ends
//
// # How a handler is written
//
// A protocol is a file or two: it reads a body into what package runtime takes, and writes pieces the way that its clients read them. All the
// rest is common. A handler begins a job, which waits for a place among the requests that run and loads the model; makes a prompt; and loops over
// pieces:
//
//	j, err := s.begin(r.Context(), req.Model, keepAlive) // keepAlive nil: the server's
//	if err != nil {
//		return err
//	}
//	defer j.end()
//	prompt, err := j.model.ChatPrompt(r.Context(), messages, runtime.Tools(tools...))
//	if err != nil {
//		return err
//	}
//	g, err := prompt.OptionsContext(r.Context(), runtime.Generate{MaxTokens: 100, Temperature: t}) // with the grammar of calls
//	if err != nil {
//		return err
//	}
//	for piece, err := range j.answer(r.Context(), prompt, g) {
//		… // piece.Deltas: content, reasoning, calls
//	}
//
// An error comes before the first piece, or in the place of a later one. [failed] makes an *[Error] of any: it has the HTTP status, the field of the request
// that is wrong, and how long to wait, and names the model as clients do; each protocol writes it in its own form. The last piece has Done, which tells why
// the text ended, the tokens of the prompt, those of them that a cache held, and times. job.loadTime and job.queueTime tell of what came before.
//
// [readBody] reads a body within the limits, [decode] its fields with errors that name the field, and [events] writes server-sent events. A stream has
// [Server.keepAwake] say pings while its job waits; from then on an error goes through its method fail, for the stream may have begun.
//
// # Where things are
//
// server.go has the options, the routes and the life of a server; http.go what every request goes through: who may ask (admit.go), limits of its body
// (bodies.go), and the log (log.go). jobs.go has places and jobs, registry.go knows which models are served, models.go, load.go and unload.go load and
// unload them within the memory, shares.go shares it out, breathe.go leaves some to other programs, and smallest.go tells the least that a model runs in.
// grow.go has a sequence that grows take what others can do without. pulls.go runs downloads that clients ask for. cache.go has the sequences of earlier
// requests, which new ones continue, and diskcache.go those that memory has no room for. choices.go runs the choices of one request at the same time: they
// go on from the copies of their prompt's sequence in forks.go. openai*.go, responses*.go, ollama*.go, anthropic*.go and llama*.go are the protocols, and
// protocols.go chooses the form of their errors. messages.go, tools.go and formats.go read what requests say of conversations, of functions that the model
// may call, and of what answers must be like, and ignored.go names what of them is ignored. metrics.go counts. experts.go tells what experts do, as
// events; package page is the web page at /.
//
// A share is a part of the memory; it is free when no model has it. A place is the right to run. A sequence is idle while no request uses it.
package server
