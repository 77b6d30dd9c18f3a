package journal

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

// written makes a journal of several files with records 0 to n-1, and returns the names of the files in order.
func written(t testing.TB, dir string, n int) []string {
	t.Helper()
	j, _, err := Open(dir, Options{SegmentBytes: 32 << 10})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		r := record(i)
		r.Payload = append(r.Payload, hash(i)...)
		if err := j.Append(context.Background(), r); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(logDir(dir), "*"))
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	return files
}

func change(t testing.TB, file string, change func([]byte) []byte) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, change(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestDamageCostsOnlyWhatIsAfterItInItsFile(t *testing.T) {
	const n = 400
	flip := func(at float64) func([]byte) []byte {
		return func(b []byte) []byte { b[int(at*float64(len(b)))] ^= 0x40; return b }
	}
	for name, test := range map[string]struct {
		file   int // from the end when negative
		change func([]byte) []byte
		// reported by Open; damage elsewhere is found in reading.
		reported bool
		// intact are how many of the first records must be there, and after how many of the last.
		first, last int
	}{
		"the end of the last file is missing": {-1, func(b []byte) []byte { return b[:100] }, true, 300, 0},
		"a bit of the last file is another":   {-1, flip(0.1), true, 300, 0},
		"a bit of the first file is another":  {0, flip(0.25), false, 20, 300},
		"a middle file has no header":         {1, flip(0.0001), true, 20, 200},
		"a middle file is empty":              {1, func([]byte) []byte { return nil }, false, 20, 200},
		"the last file is all zeros":          {-1, func(b []byte) []byte { return make([]byte, len(b)) }, false, 300, 0},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			files := written(t, dir, n)
			at := test.file
			if at < 0 {
				at += len(files)
			}
			change(t, files[at], test.change)
			j, recovery, err := Open(dir, Options{SegmentBytes: 32 << 10})
			if err != nil {
				t.Fatal(err)
			}
			defer j.Close()
			if got := len(recovery.Damages) > 0; got != test.reported {
				t.Errorf("recovery says %+v", recovery.Damages)
			}
			for _, d := range recovery.Damages {
				if d.Bytes <= 0 || d.File != files[at] || d.Reason == "" {
					t.Errorf("%+v", d)
				}
			}
			appendN(t, j, n, n+50)
			ids, lost := drain(t, reader(t, j, "a"), record(n+49).ID)
			wantIDs(t, ids[:test.first], 0, test.first)
			wantIDs(t, ids[len(ids)-50-test.last:], n-test.last, n+50)
			if gone := uint64(n + 50 - len(ids)); test.last > 0 && lost != gone || gone == 0 {
				t.Errorf("%d records are gone, the reader was told of %d", gone, lost)
			}
		})
	}
}

func TestAMissingFileIsToldToReaders(t *testing.T) {
	dir := t.TempDir()
	files := written(t, dir, 400)
	if err := os.Remove(files[1]); err != nil {
		t.Fatal(err)
	}
	j := open(t, dir, Options{})
	appendN(t, j, 400, 401)
	ids, lost := drain(t, reader(t, j, "a"), "id-400")
	if lost == 0 || int(lost)+len(ids) != 401 {
		t.Errorf("%d records, %d lost", len(ids), lost)
	}
}

func TestADamagedCursorBeginsWithTheOldestRecord(t *testing.T) {
	dir := t.TempDir()
	written(t, dir, 150)
	j := open(t, dir, Options{})
	reader(t, j, "b") // which keeps the files
	drain(t, reader(t, j, "a"), "id-149")
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	change(t, filepath.Join(cursorDir(dir), "a"), func(b []byte) []byte { b[30] = '7'; return b })
	j, recovery, err := Open(dir, Options{})
	if err != nil || len(recovery.Cursors) != 1 || recovery.Cursors[0] != "a" {
		t.Fatal(recovery, err)
	}
	defer j.Close()
	ids, lost := drain(t, reader(t, j, "a"), "id-149")
	wantIDs(t, ids, 0, 150)
	if lost != 0 {
		t.Errorf("lost %d", lost)
	}
}

func TestNumbersThatAReaderPassedAreNotUsedAgain(t *testing.T) {
	dir := t.TempDir()
	files := written(t, dir, 400)
	j := open(t, dir, Options{})
	a := reader(t, j, "a")
	reader(t, j, "b") // which keeps the files
	drain(t, a, "id-399")
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	// The machine lost its power, and the last file with it.
	if err := os.Remove(files[len(files)-1]); err != nil {
		t.Fatal(err)
	}
	j = open(t, dir, Options{})
	appendN(t, j, 400, 401)
	ids, lost := drain(t, reader(t, j, "a"), "id-400")
	wantIDs(t, ids, 400, 401)
	if lost != 0 {
		t.Errorf("the reader that had seen all lost %d", lost)
	}
	ids, lost = drain(t, reader(t, j, "b"), "id-400")
	if lost == 0 || int(lost)+len(ids) != 401 {
		t.Errorf("the other one got %d and lost %d", len(ids), lost)
	}
}

// FuzzOpenDamaged damages a journal anywhere: it opens, what is read is what was written and in order, each at most once, and
// it can be written.
func FuzzOpenDamaged(f *testing.F) {
	const n = 150
	source := f.TempDir()
	files := written(f, source, n)
	j, _, err := Open(source, Options{})
	if err != nil {
		f.Fatal(err)
	}
	r := reader(f, j, "a")
	b, err := r.Next(context.Background(), 5, 1<<20)
	if err != nil || r.Commit(b) != nil || j.Close() != nil {
		f.Fatal(err)
	}
	files = append(files, filepath.Join(cursorDir(source), "a"))
	contents := make([][]byte, len(files))
	for i, file := range files {
		if contents[i], err = os.ReadFile(file); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(uint8(0), uint32(5000), []byte{0xff}, uint32(1<<20))
	f.Add(uint8(len(files)-2), uint32(10), []byte("assay"), uint32(700))
	f.Add(uint8(len(files)-1), uint32(20), []byte("9999999999"), uint32(1<<20))
	f.Add(uint8(1), uint32(0), []byte{}, uint32(0))
	f.Add(uint8(1), uint32(32767), []byte{1, 0, 0, 0, 0, 0, 0}, uint32(40000))
	f.Fuzz(func(t *testing.T, file uint8, offset uint32, with []byte, length uint32) {
		dir := t.TempDir()
		for _, folder := range []string{logDir(dir), cursorDir(dir)} {
			if err := os.MkdirAll(folder, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		for i, content := range contents {
			if i == int(file)%len(files) {
				content = append([]byte(nil), content...)
				copy(content[int(offset)%(len(content)+1):], with)
				content = content[:min(int(length), len(content))]
			}
			to := filepath.Join(dir, filepath.Base(filepath.Dir(files[i])), filepath.Base(files[i]))
			if err := os.WriteFile(to, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		j, _, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		appendN(t, j, n, n+1)
		ids, _ := drain(t, reader(t, j, "a"), record(n).ID)
		last := -1
		for _, id := range ids {
			found := last + 1
			for found <= n && record(found).ID != id {
				found++
			}
			if found > n {
				t.Fatalf("%s after id-%d", id, last)
			}
			last = found
		}
	})
}
