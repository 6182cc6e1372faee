// Command sumdb reads one of our audit logs with golang.org/x/mod/sumdb, which shares no code with us: it verifies the checkpoint's
// signature, recomputes the tree from the entries, and proves each of up to 200 records to be in it, and an older tree to be its prefix.
// usage: sumdb LOG-FOLDER. Prints "verified N records".
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// bundlePath is the path of C2SP tlog-tiles for bundle n, of which `width` entries are there.
func bundlePath(n, width int64) string {
	p := fmt.Sprintf("%03d", n%1000)
	for n >= 1000 {
		n /= 1000
		p = fmt.Sprintf("x%03d/", n%1000) + p
	}
	if width < 256 {
		p += fmt.Sprintf(".p/%d", width)
	}
	return filepath.Join("tile", "entries", p)
}

func entries(folder string, size int64) [][]byte {
	var all [][]byte
	for n := int64(0); n*256 < size; n++ {
		width := min(size-n*256, 256)
		data, err := os.ReadFile(filepath.Join(folder, bundlePath(n, width)))
		fail(err)
		for i := int64(0); i < width; i++ {
			if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
				fail(fmt.Errorf("bundle %d ends in entry %d", n, i))
			}
			length := int(binary.BigEndian.Uint16(data))
			all = append(all, data[2:2+length])
			data = data[2+length:]
		}
		if len(data) != 0 {
			fail(fmt.Errorf("bundle %d has %d bytes too many", n, len(data)))
		}
	}
	return all
}

func main() {
	folder := os.Args[1]
	key, err := os.ReadFile(filepath.Join(folder, "vkey"))
	fail(err)
	verifier, err := note.NewVerifier(strings.TrimSpace(string(key)))
	fail(err)
	text, err := os.ReadFile(filepath.Join(folder, "checkpoint"))
	fail(err)
	signed, err := note.Open(text, note.VerifierList(verifier))
	fail(err)
	lines := strings.Split(signed.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	fail(err)

	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		found := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			found[i] = stored[index]
		}
		return found, nil
	})
	records := entries(folder, size)
	for i, record := range records {
		more, err := tlog.StoredHashes(int64(i), record, reader)
		fail(err)
		stored = append(stored, more...)
	}
	root, err := tlog.TreeHash(size, reader)
	fail(err)
	if root.String() != lines[2] {
		fail(fmt.Errorf("the root of the entries is %s, the checkpoint says %s", root, lines[2]))
	}
	for i := int64(0); i < size; i += max(size/200, 1) {
		proof, err := tlog.ProveRecord(size, i, reader)
		fail(err)
		fail(tlog.CheckRecord(proof, size, root, i, tlog.RecordHash(records[i])))
	}
	if older := size / 2; older > 0 {
		olderRoot, err := tlog.TreeHash(older, reader)
		fail(err)
		proof, err := tlog.ProveTree(size, older, reader)
		fail(err)
		fail(tlog.CheckTree(proof, size, root, older, olderRoot))
	}
	fmt.Printf("verified %d records\n", size)
}
