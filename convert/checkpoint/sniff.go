package checkpoint

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"st/format"
)

// sniffBytes is how much of a file [Sniff] wants to see.
const sniffBytes = 512

// packed are the first bytes of compressed files and archives. A zip file is not among them: torch files are some.
var packed = []struct{ begin, name string }{
	{"\x1f\x8b", "a gzip file"},
	{"\x28\xb5\x2f\xfd", "a Zstandard file"},
	{"\xfd7zXZ\x00", "an xz file"},
	{"BZh", "a bzip2 file"},
	{"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"},
	{"Rar!\x1a", "a RAR archive"},
}

// shortText is the most that an error message of a server has.
const shortText = 2048

// Sniff returns an [Error] about a file that is not what its name says, by its first bytes, 512 or all of them, and its size: it is
// empty, a Git LFS or Xet pointer, a web page, or compressed. The file may be of any kind: nil says no more than that it is none of these.
func Sniff(path string, begin []byte, size int64) error {
	if size == 0 {
		return &Error{Kind: ErrEmpty, Path: path, Err: ErrEmpty}
	}
	if err := format.CheckPointer(begin); err != nil {
		return fileError(err, path, "%w%s", err, pointerSize(begin))
	}
	text := bytes.ToLower(bytes.TrimLeft(begin, "\ufeff \t\r\n"))
	for _, tag := range []string{"<!doctype", "<html", "<head", "<?xml", "<body", "<!--"} {
		if bytes.HasPrefix(text, []byte(tag)) {
			return &Error{Kind: ErrWebPage, Path: path, Err: ErrWebPage}
		}
	}
	for _, p := range packed {
		if bytes.HasPrefix(begin, []byte(p.begin)) {
			return fileError(ErrPacked, path, "%s, not the file itself", p.name)
		}
	}
	return nil
}

// pointerSize tells how large the file is for which a pointer stands.
func pointerSize(pointer []byte) string {
	for line := range strings.SplitSeq(string(pointer), "\n") {
		_, n, ok := strings.Cut(line, "size ") // of Git LFS; filesize = 7 of Xet
		n = strings.TrimPrefix(n, "= ")
		if ok && n != "" && len(n) < 20 && strings.Trim(n, "0123456789") == "" {
			return fmt.Sprintf(", which has %s bytes", n)
		}
	}
	return ""
}

// sniffWeights is Sniff for weight files, which are no text and do not begin with zeros.
func sniffWeights(path string, begin []byte, size int64) error {
	if err := Sniff(path, begin, size); err != nil {
		return err
	}
	if bytes.HasPrefix(begin, []byte("GGUF")) {
		return fileError(ErrUnknown, path, "a GGUF file, %w of a checkpoint", ErrUnknown)
	}
	if len(begin) >= 8 && len(bytes.Trim(begin, "\x00")) == 0 {
		return fileError(ErrZeros, path, "%w, as space that was reserved and not written: not a weight file yet", ErrZeros)
	}
	if size <= shortText && utf8.Valid(begin) && !bytes.ContainsFunc(begin, func(r rune) bool { return !unicode.IsPrint(r) && !unicode.IsSpace(r) }) {
		return fileError(ErrText, path, "%w: %s", ErrText, quote(string(bytes.TrimSpace(begin))))
	}
	return nil
}

// partialSuffixes are the names of files that are being downloaded: by browsers, curl, wget, the Hub's and other programs.
var partialSuffixes = []string{".incomplete", ".part", ".partial", ".crdownload", ".download", ".aria2", ".tmp", ".!qb", ".!ut", ".opdownload"}

// IsPartial reports whether a name is that of a file that a download has not finished, or of what a downloader notes of one.
func IsPartial(name string) bool {
	name = strings.ToLower(name)
	for _, s := range partialSuffixes {
		if strings.HasSuffix(name, s) {
			return true
		}
	}
	return false
}

// controlSuffixes are the names of what download programs keep beside a file that has its whole size from the beginning.
var controlSuffixes = []string{".aria2", ".aria2__temp"}
