// Fakehub serves a directory as a repository of a Hub, for trying st pull and measuring it without the network:
//
//	go run ./cmd/fakehub -id Tiiny/SmallThinker-4BA0.6B-Instruct DIR
//	HF_ENDPOINT=http://127.0.0.1:8085 st pull Tiiny/SmallThinker-4BA0.6B-Instruct
//
// It is package hubtest on two ports of the loopback address, of the Hub and of its storage. It hashes all files before it answers.
package main
