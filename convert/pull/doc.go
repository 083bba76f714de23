// Package pull makes an .stm file of a model on a Hub, and converts while it downloads: the checkpoint never touches the disk.
//
//	ref, err := hub.ParseRef("Tiiny/SmallThinker-4BA0.6B-Instruct")
//	result, err := pull.Model(ctx, ref, "smallthinker.stm", pull.Options{
//		Convert:  convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}},
//		Progress: func(p pull.Progress) { … },
//	})
//
// The file grows under the name smallthinker.stm.part, beside a journal, smallthinker.stm.part.journal. When a run ends before it is complete,
// for whatever reason, both stay, and the next one with the same arguments goes on: [Suffix] and [JournalSuffix] are those names. The file gets
// its own name when every byte of the source has been checked against the hash that the Hub publishes.
package pull
