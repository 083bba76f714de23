package main

import (
	"errors"

	"st/cmd/internal/report"
	"st/convert"
	"st/convert/calibration"
	"st/convert/hub"
	"st/convert/pull"
	"st/format"
	"st/format/outfile"
	"st/runtime"
	"st/runtime/calibrate"
	"st/runtime/eval"
	"st/runtime/models"
	"st/runtime/server"
)

// advice says what to do about errors of the libraries, which know nothing of the command line.
var advice = []struct {
	is   error
	text string
}{
	{format.ErrExists, "use --force to replace it"},
	{format.ErrGGUF, "st convert FILE.gguf -o FILE.stm makes one of it, or with --name NAME a model that st list shows"},
	{format.ErrNotModel, "make one with st convert"},
	{format.ErrIsDirectory, "name an .stm file (st convert makes one from a checkpoint directory)"},
	{format.ErrUsage, "--record-experts replaces it"},
	{format.ErrCannotRecord, "leave out --record-experts"},
	{format.ErrCannotMap, "--memory reads the file instead"},
	{convert.ErrIsModel, "st quantize makes a smaller one of it"},
	{convert.ErrNonFinite, "--allow-nonfinite converts it all the same"},
	{convert.ErrCalibration, "st calibrate --covariance makes one"},
	{calibration.ErrMissing, "st calibrate collects it, covariances with --covariance"},
	{calibration.ErrNotStatistics, "st calibrate makes one"},
	{report.ErrNoUsage, "give a --trace, which st generate --trace FILE writes, or run st generate with --memory or --record-experts first"},
	{report.ErrFewUses, "give a --trace, which st generate --trace FILE writes, or run the model within --memory on some hundreds of tokens first"},
	{report.ErrNotTrace, "st generate --trace FILE writes one"},
	{report.ErrShortTrace, "record a longer text, with st generate -n 200 --trace FILE"},
	{runtime.ErrNoPredictor, "leave out --sparse-head, or convert a checkpoint that has model_lm_head.pt beside its weights"},
	{runtime.ErrContextFull, "shorten it or give a larger --ctx"},
	{runtime.ErrNoTokenizer, "it runs on token ids only, see st logits"},
	{runtime.ErrNoTemplate, "st generate without --chat continues a text"},
	{runtime.ErrSnapshotModel, "give the model, --kv-type, --prefer-cached and --experts-per-token that it was made with, or name another file or session"},
	{runtime.ErrSnapshotCorrupt, "remove it, or name another file or session"},
	{runtime.ErrNotFinite, "st inspect --verify tells whether the file is damaged"},
	{server.ErrNames, "a name is that of the file: rename one of them"},
	{models.ErrNotFound, "st list shows those that are kept, st pull ORG/NAME fetches one"},
	{models.ErrAmbiguous, "give one of these names in full"},
	{models.ErrPartial, "st pull, or the command that made it, goes on with it; st rm removes it"},
	{eval.ErrNoLogits, "make such a file with st eval --save-logits"},
	{eval.ErrVersion, saveAgain},
	{eval.ErrDamaged, saveAgain},
	{eval.ErrContext, "save the logits again with a smaller --ctx"},
	{eval.ErrOtherText, "leave --text out to use that of the file"},
	{pull.ErrKeepFirst, "--keep downloads it into the Hub's cache"},
	{pull.ErrQuant, "name one of them, as in ORG/NAME:Q4_0"},
	{pull.ErrNoGGUF, "leave :TYPE out, and --type says what is made of the checkpoint"},
	{pull.ErrNoModel, "st pull reads checkpoints in safetensors or torch files, and GGUF files"},
	{pull.ErrDisk, "make room, or set ST_MODELS to a directory on another disk (HF_HUB_CACHE, of what is kept there); st list shows the models that are kept"},
	{hub.ErrGated, "accept the terms on its page, then set HF_TOKEN to a token of that account, or run hf auth login"},
	{hub.ErrToken, "set HF_TOKEN, or MODELSCOPE_API_TOKEN, to a valid token, or run hf auth login"},
	{hub.ErrForbidden, "HF_TOKEN must be of an account that may read it, and a fine-grained token must allow that"},
	{hub.ErrNotFound, "check the name; if the repository is private or gated, set HF_TOKEN, or for ms:// MODELSCOPE_API_TOKEN"},
	{hub.ErrRevision, "after @ comes a branch, a tag or a commit of the repository"},
	{hub.ErrOffline, "unset HF_HUB_OFFLINE"},
	{hub.ErrHash, "the same command fetches the file again; if that does not help, a proxy or a mirror damages it"},
	{hub.ErrDamaged, "remove it from the Hub's cache: the same command fetches it again"},
	{hub.ErrChanged, "the same command fetches the file again"},
	{hub.ErrNoRange, "a proxy may be in the way: NO_PROXY keeps it out"},
	{hub.ErrEndpoint, "correct HF_ENDPOINT or MODELSCOPE_ENDPOINT"},
	{hub.ErrUnreachable, "check the network, HTTPS_PROXY, and HF_ENDPOINT or MODELSCOPE_ENDPOINT; the same command goes on where it was"},
	{hub.ErrNoCache, "set HF_HUB_CACHE to a folder; of ModelScope nothing is kept"},
	{outfile.ErrBusy, "wait for the other one"},
	{calibrate.ErrEmptyText, "give another --text"},
}

const saveAgain = "save it again with st eval --save-logits"

// advise returns an error's message with what to do about it.
func advise(err error) string {
	for _, a := range advice {
		if errors.Is(err, a.is) {
			return err.Error() + ": " + a.text
		}
	}
	var predictor *convert.PredictorError
	if errors.As(err, &predictor) {
		return err.Error() + ": fetch it again, or leave it out with --no-head-predictor"
	}
	var precision *convert.PrecisionError
	if errors.As(err, &precision) {
		return err.Error() + ": choose another type with " + typeFlags(precision) + ", or begin with a file that is more precise"
	}
	if text := convert.Advice(err); text != "" {
		return err.Error() + ": " + text
	}
	return err.Error()
}

// typeFlags are the flags that give a tensor another type than the one that it cannot have.
func typeFlags(e *convert.PrecisionError) string {
	flag := map[convert.Class]string{
		convert.Attention: "attn", convert.Experts: "experts", convert.Sparse: "experts", convert.Embed: "embed", convert.Head: "lm-head",
	}[e.Class]
	switch {
	case e.Down:
		return "--down"
	case e.Named:
		return "--" + flag
	}
	return "--type, or with --" + flag + " for these tensors"
}
