// Package hub reads model repositories of the Hugging Face Hub, and of ModelScope, over their HTTP protocols.
//
//	client := hub.New(hub.FromEnvironment())
//	ref, err := hub.ParseRef("Tiiny/SmallThinker-4BA0.6B-Instruct")
//	repo, err := client.Open(ctx, ref)          // resolves the revision to a commit, lists the files
//	text, err := repo.ReadFile(ctx, "config.json", 1<<20) // of 1 MiB at most
//	weights, ok := repo.Lookup("model.safetensors")
//	err = repo.Fetch(ctx, weights, 0, head)     // bytes from an offset on; Stream brings whole files with several requests at once
//
// An open repository stays at its commit; later pushes do not change it. Every listed file has a size and a hash for its bytes: SHA-256 of a large
// file (Git LFS, Xet), Git's SHA-1 of a small one. Failed requests are repeated after the time that the server asks for, within limits. Errors that
// a user can act on have sentinels (errors.go).
//
// The files: ref.go parses names of repositories, page.go addresses of their pages. config.go has endpoints, tokens and directories, and reads them from the environment. client.go
// sends requests and follows redirects; retry.go repeats failed ones. repo.go is an open repository, hasher.go checks its files. stream.go downloads
// files in order with several requests at once, and pace.go chooses their number. huggingface.go and modelscope.go are the two protocols. cache.go
// is the directory in which huggingface_hub keeps downloads. Package hubtest is a Hub for tests.
package hub
