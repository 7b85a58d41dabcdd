// Go as an oracle for tests, by its crypto/tls and crypto/x509. The first argument names what is asked: "chains", "lists" or
// "requests".
//
// Questions come as JSON, one a line, on standard input; each is answered by one line on standard output, in order.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
)

// refusal holds Go's words of refusal; there are none where it accepts.
type refusal struct {
	Words string `json:"words"`
}

func (r *refusal) refuse(err error) { r.Words = err.Error() }

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(what string) error {
	switch what {
	case "chains":
		asker, err := newAsker()
		if err != nil {
			return err
		}
		return answerAll(asker.answer)
	case "lists":
		return answerAll(checkCRL)
	case "requests":
		return answerAll(answerRequest)
	}
	return fmt.Errorf("nothing is called %q", what)
}

func answerAll[Q, A any](reply func(Q) (A, error)) error {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked Q
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			return err
		}
		given, err := reply(asked)
		if err != nil {
			any(&given).(interface{ refuse(error) }).refuse(err)
		}
		if err := out.Encode(given); err != nil {
			return err
		}
	}
	return lines.Err()
}
