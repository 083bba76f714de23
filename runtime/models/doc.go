// Package models keeps models by name in a directory, and finds them there.
//
//	store, err := models.Open("") // $ST_MODELS, or the user's directory for data
//	if err != nil {
//		return err
//	}
//	path, err := store.Locate("smallthinker-4ba0.6b-instruct") // a file, or the name of a model
//	if err != nil {
//		return err
//	}
//	m, err := runtime.Open(ctx, path, runtime.Options{})
//
// # Names
//
// A name is ORG/MODEL:TAG, as on Hugging Face and in Ollama: Tiiny/SmallThinker-4BA0.6B-Instruct:q4_0. ORG and TAG are optional, and the tag "latest"
// is the same as no tag. A name finds a model regardless of the case of letters, and without its organisation or its tag, if exactly one model fits:
// see [Match].
//
// # Files
//
// The model ORG/MODEL:TAG is the file ORG/MODEL@TAG.stm below the directory, MODEL the file MODEL.stm. A file that is put there, or linked to,
// is a model of the store at once: there is no index. Files beside it whose names begin with the model's and a dot belong to it: a download that
// is not complete is MODEL.stm.part, with MODEL.stm.part.journal, and MODEL.stm.experts tells which experts were used.
//
// A Store holds nothing but the name of its directory. Any number of goroutines and processes may use it: a model appears, and is replaced, by a
// rename.
package models
