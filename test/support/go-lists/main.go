// What etcd makes of revocation lists, for tests: its two versions of checkCRL (client/pkg/transport/listener_tls.go),
// told apart by the parser of Go's that each uses.
//
// Questions come as JSON, one a line, on standard input; each is answered by one line on standard output, in order.
package main

import (
	"bufio"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
)

// question is a file and the serial numbers of the certificates that a client sends, as INTEGER octets.
type question struct {
	File    []byte   `json:"file"`
	Serials [][]byte `json:"serials"`
}

// answer holds the words by which each version refuses the client; they are empty where it is let in.
type answer struct {
	// V35 is etcd up to 3.5.
	V35 string `json:"v35"`
	// V36 is etcd from 3.6 on.
	V36 string `json:"v36"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked question
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if err := out.Encode(answer{V35: v35(asked), V36: v36(asked)}); err != nil {
			os.Exit(1)
		}
	}
	if err := lines.Err(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func v35(asked question) string {
	list, err := x509.ParseCRL(asked.File) //lint:ignore SA1019 it is what etcd 3.5 uses
	if err != nil {
		return err.Error()
	}
	revoked := make(map[string]bool)
	for _, entry := range list.TBSCertList.RevokedCertificates {
		revoked[string(entry.SerialNumber.Bytes())] = true
	}
	return refused(revoked, asked)
}

func v36(asked question) string {
	list, err := x509.ParseRevocationList(asked.File)
	if err != nil {
		return err.Error()
	}
	revoked := make(map[string]bool)
	for _, entry := range list.RevokedCertificateEntries {
		revoked[string(entry.SerialNumber.Bytes())] = true
	}
	return refused(revoked, asked)
}

func refused(revoked map[string]bool, asked question) string {
	for _, octets := range asked.Serials {
		serial := new(big.Int).SetBytes(octets)
		if revoked[string(serial.Bytes())] {
			return fmt.Sprintf("transport: certificate serial %x revoked", serial.Bytes())
		}
	}
	return ""
}
