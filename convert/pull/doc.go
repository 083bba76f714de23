// Package pull makes an .stm file of a model on a Hub. It converts weights during the download, so the checkpoint is never stored on the disk.
//
//	ref, err := hub.ParseRef("Tiiny/SmallThinker-4BA0.6B-Instruct")
//	result, err := pull.Model(ctx, ref, "smallthinker.stm", pull.Options{
//		Convert:  convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}},
//		Progress: func(p pull.Progress) { … },
//	})
//
// Until it is complete the file is called smallthinker.stm.part, and a journal lies beside it, smallthinker.stm.part.journal (see [Suffix] and
// [JournalSuffix]). A run that ends early, for any reason, leaves both, and the next run with the same arguments continues. The file gets its own
// name when every source file has been checked against the hash that the Hub publishes.
//
// pull.go has the options and the choice between the two ways: keep.go downloads files into the Hub's cache first; stream.go converts during the
// download. feed.go brings the bytes in order and hashes them, journal.go records what is done, source.go presents the repository as files to package
// convert, choose.go chooses a checkpoint or a GGUF file, and progress.go reports.
package pull
