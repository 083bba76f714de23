// Package runtime runs .stm model files: it opens one, continues texts, and holds conversations. It is the package to begin with; st, the
// command line, uses nothing else to run a model.
//
// A [Model] is opened once. Any number of goroutines may use it at the same time:
//
//	m, err := runtime.Open(ctx, "4b.stm", runtime.Options{Memory: 2 << 30}) // 0: as much as there is
//	if err != nil {
//		return err
//	}
//	defer m.Close()
//
// [Model.Generate] continues a text. It returns an iterator: pieces come as they are generated, in whole characters, and the last one
// tells why and how the text ended. Leave the loop, or end the context, to stop early.
//
//	for piece, err := range m.Generate(ctx, "Once upon a time", runtime.Generate{MaxTokens: 200}) {
//		if err != nil {
//			return err
//		}
//		fmt.Print(piece.Text)
//	}
//
// A [Chat] is a conversation, written the way the model's chat template has it. The KV cache is kept from turn to turn:
//
//	chat := m.NewChat(runtime.System("Be terse."))
//	defer chat.Close()
//	for piece, err := range chat.Send(ctx, "Why is the sky blue?", runtime.Generate{MaxTokens: 200}) {
//		if err != nil {
//			return err
//		}
//		fmt.Print(piece.Text)
//	}
//
// [Tools] tells a chat of functions that the model may call. Pieces then have [Piece.Deltas], and the last one the whole answer with its calls,
// [Result.Message]; [ToolResult] makes a message of what came of one. [ChatOption] lists what else a chat may be told.
//
//	chat := m.NewChat(runtime.Tools(runtime.Tool{Name: "weather", Parameters: schema}))
//
// [Model.ChatPrompt] does the same for those who keep conversations themselves, such as package runtime/server.
//
// [Model.InfillPrompt] makes a prompt of a text with a gap, which the model then fills: what an editor suggests at its cursor.
//
// [Generate.Grammar] keeps a text within a grammar, and [GenerateInto] fills a value of a Go type. [Generate.Lookup] guesses tokens that the text says
// already, and checks them in one pass.
//
// What [Generate] leaves open is as the model's file says, and the file as its author published it. [Model.Logits] gives the logits after
// every token of a text, and [Model.Run] runs a text for the observers of [Model.Engine].
//
// Errors wrap one of those listed as variables, which errors.Is finds: [ErrContextFull], [ErrMemory], [ErrClosed] and so on. The error
// itself names the file and the figures.
//
// Packages below measure: runtime/eval perplexity and divergence, runtime/bench speed, runtime/calibrate which weights count most. The
// layers, the KV cache and the reading of experts are package runtime/engine.
package runtime
