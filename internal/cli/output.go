package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/assay-gitops/assay/internal/report"
)

// outputFlags say what is written of a report, and where.
type outputFlags struct {
	format   string
	reports  []string
	color    string
	quiet    bool
	noFrames bool
}

func (o *outputFlags) define(f *pflag.FlagSet) {
	f.StringVarP(&o.format, "output", "o", "text", "`format` on standard output: "+strings.Join(report.Formats(), ", "))
	f.StringArrayVar(&o.reports, "report", nil, "also write a report to a file, as `FORMAT=FILE`; repeatable")
	f.StringVar(&o.color, "color", "auto", "`when` to colour text: auto, always or never")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "text with one line for each finding and nothing else")
	f.BoolVar(&o.noFrames, "no-frames", false, "text without the source lines")
}

// output is what the flags came to: every writer is known to exist before any work is done.
type output struct {
	stdout  report.Writer
	summary report.Writer // the step summary of GitHub Actions; nil when there is none
	files   []fileReport
}

type fileReport struct {
	path   string
	writer report.Writer
}

// prepare makes the writers.
func (o *outputFlags) prepare(env *Env) (*output, error) {
	colored, err := wantsColor(env, o.color)
	if err != nil {
		return nil, err
	}
	out := &output{}
	stdoutOptions := report.Options{Color: colored, Width: textWidth(env), Frames: !o.noFrames, Short: o.quiet}
	if out.stdout, err = newWriter("--output", o.format, stdoutOptions); err != nil {
		return nil, err
	}
	if o.format == "github" && env.Getenv("GITHUB_ACTIONS") == "true" && env.Getenv("GITHUB_STEP_SUMMARY") != "" {
		if out.summary, err = newWriter("--output", "github-summary", report.Options{}); err != nil {
			return nil, err
		}
	}
	for _, spec := range o.reports {
		format, path, found := strings.Cut(spec, "=")
		if !found || path == "" {
			return nil, usageErrorf("--report %q: must be FORMAT=FILE, such as sarif=assay.sarif", spec)
		}
		if path == "-" {
			return nil, usageErrorf("--report %q: --output %s writes it to standard output", spec, format)
		}
		writer, err := newWriter("--report", format, report.Options{Width: defaultWidth, Frames: !o.noFrames, Short: o.quiet})
		if err != nil {
			return nil, err
		}
		out.files = append(out.files, fileReport{path, writer})
	}
	return out, nil
}

func newWriter(flag, format string, options report.Options) (report.Writer, error) {
	writer, err := report.New(format, options)
	if err != nil {
		bad := badFlag(strings.TrimPrefix(flag, "--"), format, report.Formats())
		return nil, bad
	}
	return writer, nil
}

// write writes the report everywhere it was asked for. A file that cannot be written does not keep the others from being
// written.
func (o *output) write(env *Env, r *report.Report) error {
	var failed error
	for _, file := range o.files {
		if err := writeFile(file.path, file.writer, r); err != nil && failed == nil {
			failed = err
		}
	}
	if o.summary != nil {
		if err := appendSummary(env.Getenv("GITHUB_STEP_SUMMARY"), o.summary, r); err != nil && failed == nil {
			failed = err
		}
	}
	if err := o.stdout.Write(env.Stdout, r); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return failed
}

// writeFile replaces a file by a report, and leaves the file as it was when the report cannot be written. What is not a
// regular file, such as /dev/stderr or a pipe, is written to as it is.
func writeFile(path string, writer report.Writer, r *report.Report) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write the report %s: %w", path, err)
		}
	}()
	target := path
	if there, err := os.Stat(path); err == nil {
		if !there.Mode().IsRegular() {
			return writeThrough(path, writer, r)
		}
		if target, err = filepath.EvalSymlinks(path); err != nil {
			return err
		}
	}
	temporary, err := os.CreateTemp(filepath.Dir(target), "."+filepath.Base(target)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(temporary.Name()))
		}
	}()
	if err := errors.Join(writer.Write(temporary, r), temporary.Chmod(0o644), temporary.Close()); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), target)
}

func writeThrough(path string, writer report.Writer, r *report.Report) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(writer.Write(file, r), file.Close())
}

// maxSummary is what GitHub takes as the summary of one step, in bytes; it takes nothing of a longer one.
const maxSummary = 1 << 20

// appendSummary adds the summary to the file that GitHub Actions names; other tools of the step may have written to it.
// What does not fit is left out by whole lines.
func appendSummary(path string, writer report.Writer, r *report.Report) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write the step summary: %w", err)
		}
	}()
	var b bytes.Buffer
	if err := writer.Write(&b, r); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	taken, err := file.Stat()
	if err != nil {
		return err
	}
	_, err = file.Write(wholeLines(b.Bytes(), maxSummary-taken.Size()))
	return err
}

// wholeLines are the first lines of a text that fit into a number of bytes.
func wholeLines(text []byte, room int64) []byte {
	if int64(len(text)) <= room {
		return text
	}
	return text[:bytes.LastIndexByte(text[:max(room, 0)], '\n')+1]
}
