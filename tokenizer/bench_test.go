package tokenizer

import "testing"

func BenchmarkEncode(b *testing.B) {
	tok := qwen(b)
	text := string(readFile(b, "tiny-smallthinker/heldout.txt"))
	b.SetBytes(int64(len(text)))
	var ids []int32
	for b.Loop() {
		ids = tok.AppendEncode(ids[:0], text, true)
	}
	b.ReportMetric(float64(len(ids)), "tokens/op")
}

// BenchmarkEncodeCold starts with an empty cache of words each time.
func BenchmarkEncodeCold(b *testing.B) {
	tok := qwen(b)
	text := string(readFile(b, "tiny-smallthinker/heldout.txt"))
	b.SetBytes(int64(len(text)))
	var ids []int32
	for b.Loop() {
		ids = newEncoder().appendPlain(ids[:0], tok, text, true)
	}
}

func BenchmarkDecode(b *testing.B) {
	tok := qwen(b)
	text := string(readFile(b, "tiny-smallthinker/heldout.txt"))
	ids := tok.Encode(text, true)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		tok.Decode(ids, true)
	}
}

func BenchmarkLoad(b *testing.B) {
	section, _ := qwen(b).MarshalBinary()
	b.SetBytes(int64(len(section)))
	for b.Loop() {
		if _, err := Load(section); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseHF(b *testing.B) {
	file, config := readFile(b, "qwen-tokenizer/tokenizer.json"), readFile(b, "qwen-tokenizer/tokenizer_config.json")
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		if _, err := ParseHF(file, config); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEncodeFamilies measures the kinds that have no splitter written by hand.
func BenchmarkEncodeFamilies(b *testing.B) {
	text := string(readFile(b, "tiny-smallthinker/heldout.txt"))
	for _, name := range families {
		b.Run(name, func(b *testing.B) {
			tok := family(b, name)
			b.SetBytes(int64(len(text)))
			var ids []int32
			for b.Loop() {
				ids = tok.AppendEncode(ids[:0], text, true)
			}
		})
	}
}
