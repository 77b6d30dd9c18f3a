package rotate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Options of a file. Zero means without limit, for each of them.
type Options struct {
	// MaxBytes of the file before it is put aside.
	MaxBytes int64
	// MaxAge puts the file aside at multiples of it, counted from midnight UTC for those that divide a day.
	MaxAge time.Duration
	// Keep is how many files that were put aside are kept.
	Keep int
}

// File is a file of lines, readable by its owner only. It is for one goroutine.
type File struct {
	path    string
	options Options
	file    *os.File
	size    int64
	// period is the multiple of MaxAge that the file's lines are of.
	period time.Time
	now    func() time.Time
}

// Open opens or makes a file to go on writing it. A line that the death of a process left incomplete is cut off.
func Open(path string, o Options) (*File, error) {
	f := &File{path: path, options: o, now: time.Now}
	if err := f.open(); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *File) open() error {
	file, err := os.OpenFile(f.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err // names the file and what was done
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", f.path)
	}
	if err == nil {
		f.size, err = cutLastLine(file, info.Size())
	}
	if err != nil {
		_ = file.Close()
		return err
	}
	f.file = file
	f.period = info.ModTime().UTC().Truncate(f.options.MaxAge)
	if f.size == 0 {
		f.period = f.now().UTC().Truncate(f.options.MaxAge)
	}
	return nil
}

// cutLastLine removes what is after the last newline and goes to the end.
func cutLastLine(file *os.File, size int64) (int64, error) {
	buf := make([]byte, 64<<10)
	end := size
	for end > 0 {
		n := min(end, int64(len(buf)))
		if _, err := file.ReadAt(buf[:n], end-n); err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(buf[:n], '\n'); i >= 0 {
			end = end - n + int64(i) + 1
			break
		}
		end -= n
	}
	if end < size {
		if err := file.Truncate(end); err != nil {
			return 0, err
		}
	}
	_, err := file.Seek(end, io.SeekStart)
	return end, err
}

// Write appends whole lines, all or nothing: when it fails, the file is as it was before.
func (f *File) Write(lines []byte) error {
	if f.file == nil {
		if err := f.open(); err != nil {
			return err
		}
	}
	if f.due(len(lines)) {
		if err := f.putAside(); err != nil {
			return err
		}
	}
	n, err := f.file.Write(lines)
	if err != nil {
		if n > 0 {
			_, back := f.file.Seek(f.size, io.SeekStart)
			err = errors.Join(err, f.file.Truncate(f.size), back)
		}
		return err
	}
	f.size += int64(n)
	return nil
}

func (f *File) due(more int) bool {
	if f.size == 0 {
		return false
	}
	return f.options.MaxBytes > 0 && f.size+int64(more) > f.options.MaxBytes ||
		f.options.MaxAge > 0 && f.now().UTC().Truncate(f.options.MaxAge).After(f.period)
}

// putAside renames the file and begins a new one.
func (f *File) putAside() error {
	if err := f.Close(); err != nil {
		return err
	}
	aside := f.path + "." + f.now().UTC().Format("20060102T150405.000000000Z")
	if err := os.Rename(f.path, aside); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := f.removeOld(); err != nil {
		return err
	}
	return f.open()
}

func (f *File) removeOld() error {
	if f.options.Keep == 0 {
		return nil
	}
	// Not filepath.Glob: the path may have characters that mean something to it.
	entries, err := os.ReadDir(filepath.Dir(f.path))
	if err != nil {
		return err
	}
	var aside []string
	for _, entry := range entries {
		rest, ok := bytes.CutPrefix([]byte(entry.Name()), []byte(filepath.Base(f.path)+"."))
		if _, err := time.Parse("20060102T150405.000000000Z", string(rest)); ok && err == nil {
			aside = append(aside, entry.Name())
		}
	}
	slices.Sort(aside)
	for _, name := range aside[:max(len(aside)-f.options.Keep, 0)] {
		if err := os.Remove(filepath.Join(filepath.Dir(f.path), name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Reopen makes the next Write open the file by its name again, after another program has moved it away.
func (f *File) Reopen() error { return f.Close() }

// Sync forces what was written to the disk.
func (f *File) Sync() error {
	if f.file == nil {
		return nil
	}
	return f.file.Sync()
}

// Close closes the file. A later Write opens it again.
func (f *File) Close() error {
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file = nil
	return err
}
