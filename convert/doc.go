// Package convert turns a Hugging Face checkpoint or a GGUF file into an .stm file, and an .stm file into a smaller one or a GGUF file.
//
//	result, err := convert.Run(ctx, "SmallThinker-4BA0.6B-Instruct", "4b.stm", convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}})
//	result, err = convert.Quantize(ctx, "4b-bf16.stm", "4b.stm", convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}})
//	result, err = convert.Run(ctx, "4b-Q4_0.gguf", "4b.stm", convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0, Keep: true}})
//	exported, err := convert.Export(ctx, "4b.stm", "4b.gguf", convert.ExportOptions{})
//
// The road that the data takes, by file: locate.go finds the checkpoint that a path stands for, source.go and source_tokenizer.go its files,
// which package hffile reads as Python does, and hfconfig.go what config.json and generation_config.json of all models share;
// source_gguf.go reads what a GGUF file says besides its weights. architecture.go says what an architecture is: a parser of config.json and a table of roles
// and names; smallthinker.go, qwen3.go, phi3.go, gemma3.go and gemma3n.go are those that there are, with rope.go for what they say
// of rotary angles and multimodal.go for the parts that are left out. weights.go is where tensors come from, asked by role, layer
// and expert: a checkpoint (weights_checkpoint.go), a GGUF file (weights_gguf.go) or an .stm file (weights_model.go); names.go
// knows the prefixes that a checkpoint's names may have, and fp8.go the scales of eight-bit floats. recipe.go and preset.go give
// every class of tensors a type, plan.go decides which source tensor becomes which bytes of which record, layout.go where in it,
// encode.go reads, checks and quantizes, with what statistics.go knows of the tensors' inputs, pipeline.go does that on all cores
// with bounded memory and writes the records in order, report.go tells what they lost, and provenance.go hashes the sources
// meanwhile. head_predictor.go and chat_template.go read what comes with a model besides. export.go and export_metadata.go go the
// other way, to GGUF.
//
// diagnose.go looks at what could not be converted and says what it is and what to do: all advice is there, and errors have none.
// quantization.go tells how weights were quantized that are not read.
//
// A checkpoint that comes over a network is converted in the order of its bytes: stream.go, stream_jobs.go, stream_run.go and
// stream_files.go cut the plan into jobs that are done as soon as their bytes are there, and remember what was done, so that another
// process can go on. Package pull brings the bytes.
//
// survey.go tells what a conversion is going to make before it begins.
//
// Packages underneath: checkpoint reads weights from safetensors and torch files and knows nothing of architectures, calibration
// holds what a text tells of the weights, and gguf reads and writes GGUF files.
package convert
