package ckpttest

import (
	"archive/zip"
	"bytes"
	"hash/crc32"
)

// Entry is one file in the zip file of torch.save.
type Entry struct {
	Name     string // without the top directory
	Data     []byte
	Compress bool
}

// alignment is where torch.save begins the bytes of an entry.
const alignment = 64

// EncodeZip returns the bytes of a zip file as torch.save writes it: its entries below one top directory ("archive" if dir is
// empty), not compressed unless an entry says so, each padded so that its bytes are aligned.
func EncodeZip(dir string, entries []Entry) ([]byte, error) {
	if dir == "" {
		dir = "archive"
	}
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, e := range entries {
		h := &zip.FileHeader{Name: dir + "/" + e.Name, Method: zip.Store}
		if e.Compress {
			h.Method = zip.Deflate
			f, err := w.CreateHeader(h)
			if err != nil {
				return nil, err
			}
			if _, err := f.Write(e.Data); err != nil {
				return nil, err
			}
			continue
		}
		if err := w.Flush(); err != nil {
			return nil, err
		}
		const localHeader, extraHeader = 30, 4
		begin := out.Len() + localHeader + len(h.Name) + extraHeader
		pad := (alignment - begin%alignment) % alignment
		h.Extra = append([]byte{'F', 'B', byte(pad), 0}, bytes.Repeat([]byte("Z"), pad)...)
		h.CRC32 = crc32.ChecksumIEEE(e.Data)
		h.UncompressedSize64 = uint64(len(e.Data))
		h.CompressedSize64 = uint64(len(e.Data))
		f, err := w.CreateRaw(h) // unlike CreateHeader, it puts the sizes before the data
		if err != nil {
			return nil, err
		}
		if _, err := f.Write(e.Data); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
