// Package convert turns a Hugging Face checkpoint into an .stm file, and an .stm file into a smaller one.
//
//	result, err := convert.Run(ctx, "SmallThinker-4BA0.6B-Instruct", "4b.stm", convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}})
//	result, err = convert.Quantize(ctx, "4b-bf16.stm", "4b.stm", convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}})
//
// The road that the data takes, by file: locate.go finds the checkpoint that a path stands for, source.go its files, json.go reads them
// as Python does, and hfconfig.go what config.json and generation_config.json of all models share. architecture.go says what an
// architecture is: a parser of config.json and a table of roles and names; smallthinker.go and qwen3.go are some. weights.go is where
// tensors come from: a checkpoint or an .stm file, asked by role, layer and expert; names.go knows the prefixes that a checkpoint's
// names may have, and fp8.go the scales of eight-bit floats. recipe.go and preset.go give every class of tensors a type, plan.go
// decides which source tensor becomes which bytes of which record, layout.go where in it, encode.go reads, checks and quantizes, with
// what statistics.go knows of the tensors' inputs, pipeline.go does that on all cores with bounded memory and writes the records in
// order, report.go tells what they lost, and provenance.go hashes the sources meanwhile.
//
// diagnose.go looks at what could not be converted and says what it is and what to do: all advice is there, and errors have none.
// quantization.go tells how weights were quantized that are not read.
//
// Packages underneath: checkpoint reads weights from safetensors and torch files and knows nothing of architectures, calibration
// holds what a text tells of the weights, and gguf reads and writes GGUF files, which st inspect shows.
package convert
