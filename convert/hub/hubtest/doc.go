// Package hubtest is a Hub for tests, and for trying programs without the network. It speaks the parts of the protocols of the Hugging Face Hub and
// of ModelScope that package hub uses, written from what huggingface_hub and the services' documents say, and fails in the ways that networks do.
//
//	h := hubtest.New()
//	defer h.Close()
//	repo := h.Add("Tiiny/SmallThinker")
//	commit := repo.Commit(map[string]hubtest.Content{"config.json": hubtest.Bytes(`{}`)})
//	client := hub.New(hub.Config{HuggingFace: h.URL})
//
// Large files are in a storage, which has an origin of its own and addresses that are signed for some time; small ones come from the Hub itself.
// Faults says what goes wrong with a request: see [Fault]. The Hub counts what it sends.
package hubtest
