// Package hub reads model repositories of the Hugging Face Hub, and of ModelScope, over their HTTP protocols.
//
//	client := hub.New(hub.FromEnvironment())
//	ref, err := hub.ParseRef("Tiiny/SmallThinker-4BA0.6B-Instruct")
//	repo, err := client.Open(ctx, ref)          // resolves the revision to a commit, lists the files
//	text, err := repo.ReadFile(ctx, "config.json")
//	body, err := repo.Range(ctx, "model.safetensors", 0, 1<<20)
//
// A repository that is open stays at its commit: what is pushed meanwhile is not seen. Every file of the listing has its size and a hash that
// its bytes are checked against: SHA-256 of a large file (Git LFS, Xet), Git's SHA-1 of a small one. Requests are tried again as the server
// tells, within limits; errors that a person can do something about have sentinels.
//
// Where to find what: ref.go names a repository; config.go has endpoints, token and folders, and what the environment says of them;
// client.go sends requests, follows redirects and backs off; repo.go is an open repository; huggingface.go and modelscope.go are the two
// protocols; cache.go is the folder that huggingface_hub keeps downloads in. Package hubtest is a Hub for tests.
package hub
