// Package convert turns a Hugging Face checkpoint into an .stm file.
//
//	result, err := convert.Run(ctx, "SmallThinker-4BA0.6B-Instruct", "4b.stm", convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}})
//
// The road that the data takes, by file: source.go finds the files, hfconfig.go reads config.json and
// generation_config.json into an architecture (smallthinker.go is one), plan.go decides which source tensor becomes which
// bytes of which record, encode.go reads, checks and quantizes, pipeline.go does that on all cores with bounded memory and
// writes the records in order, and provenance.go hashes the sources meanwhile.
//
// Package checkpoint underneath reads the weights, from safetensors and torch files; it knows nothing of architectures.
package convert
