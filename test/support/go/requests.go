// Certificate requests and private keys by Go's crypto/x509: requests as step and cert-manager make them, and Go's reading of
// ours.

package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/url"
)

// requestQuestion is one of "make" (a request of a form, for a new key), "read" (a request), "key" (a private key in PEM) and
// "certificate" (one in PEM).
type requestQuestion struct {
	Ask  string `json:"ask"`
	Form string `json:"form"`
	Key  string `json:"key"`
	PEM  string `json:"pem"`
}

// requestAnswer holds Go's words of refusal, or what it made or read.
type requestAnswer struct {
	refusal
	PEM     string   `json:"pem"`
	Subject string   `json:"subject"`
	Names   []string `json:"names"`
	Kind    string   `json:"kind"`
}

func answerRequest(asked requestQuestion) (requestAnswer, error) {
	if asked.Ask == "make" {
		return makeRequest(asked)
	}
	block, _ := pem.Decode([]byte(asked.PEM))
	if block == nil {
		return requestAnswer{}, errors.New("no PEM data")
	}
	switch asked.Ask {
	case "read":
		return readRequest(block.Bytes)
	case "key":
		return readKey(block)
	case "certificate":
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return requestAnswer{}, err
		}
		return requestAnswer{Subject: certificate.Subject.String(), Kind: certificate.PublicKeyAlgorithm.String()}, nil
	}
	return requestAnswer{}, errors.New("unknown question " + asked.Ask)
}

func newKey(kind string) (crypto.Signer, error) {
	switch kind {
	case "p256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "p384":
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "p521":
		return ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "rsa-2048":
		return rsa.GenerateKey(rand.Reader, 2048)
	case "ed25519":
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}
	return nil, errors.New("unknown key " + kind)
}

var (
	hosts     = []string{"etcd-0.etcd", "etcd-0.etcd.svc"}
	addresses = []net.IP{net.ParseIP("10.0.0.1"), net.ParseIP("2001:db8::1")}
	uris      = []*url.URL{{Scheme: "spiffe", Host: "cluster", Path: "/etcd-0"}}
)

func makeRequest(asked requestQuestion) (requestAnswer, error) {
	key, err := newKey(asked.Key)
	if err != nil {
		return requestAnswer{}, err
	}
	var template x509.CertificateRequest
	switch asked.Form {
	case "go":
		template = x509.CertificateRequest{
			Subject:  pkix.Name{CommonName: "etcd-0", Organization: []string{"Example"}, Country: []string{"DE"}},
			DNSNames: hosts, IPAddresses: addresses, URIs: uris, EmailAddresses: []string{"a@b.example"},
		}
	case "bare":
		template = x509.CertificateRequest{Subject: pkix.Name{CommonName: "etcd-0"}}
	case "step":
		// step ca certificate: the subject's common name, and every name as subject alternative name (cli
		// utils/cautils CreateSignRequest).
		template = x509.CertificateRequest{
			Subject:  pkix.Name{CommonName: "etcd-0"},
			DNSNames: hosts, IPAddresses: addresses, URIs: uris,
		}
	case "cert-manager":
		template, err = certManager()
	default:
		err = errors.New("unknown form " + asked.Form)
	}
	if err != nil {
		return requestAnswer{}, err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &template, key)
	if err != nil {
		return requestAnswer{}, err
	}
	return requestAnswer{PEM: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))}, nil
}

// certManager makes a template as cert-manager does (pkg/util/pki GenerateCSR): no subject, so that the subject
// alternative name is critical, and the usages that the Certificate asks for.
func certManager() (x509.CertificateRequest, error) {
	var names []asn1.RawValue
	for _, host := range hosts {
		names = append(names, asn1.RawValue{Tag: 2, Class: asn1.ClassContextSpecific, Bytes: []byte(host)})
	}
	for _, address := range addresses {
		octets := address.To4()
		if octets == nil {
			octets = address
		}
		names = append(names, asn1.RawValue{Tag: 7, Class: asn1.ClassContextSpecific, Bytes: octets})
	}
	for _, uri := range uris {
		names = append(names, asn1.RawValue{Tag: 6, Class: asn1.ClassContextSpecific, Bytes: []byte(uri.String())})
	}
	alternative, err := asn1.Marshal(names)
	if err != nil {
		return x509.CertificateRequest{}, err
	}
	usage, err := asn1.Marshal(asn1.BitString{Bytes: []byte{0xa0}, BitLength: 3})
	if err != nil {
		return x509.CertificateRequest{}, err
	}
	extended, err := asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 1}, {1, 3, 6, 1, 5, 5, 7, 3, 2}})
	if err != nil {
		return x509.CertificateRequest{}, err
	}
	return x509.CertificateRequest{
		RawSubject: []byte{0x30, 0},
		ExtraExtensions: []pkix.Extension{
			{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Critical: true, Value: alternative},
			{Id: asn1.ObjectIdentifier{2, 5, 29, 15}, Critical: true, Value: usage},
			{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Value: extended},
		},
	}, nil
}

func readRequest(der []byte) (requestAnswer, error) {
	request, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return requestAnswer{}, err
	}
	if err := request.CheckSignature(); err != nil {
		return requestAnswer{}, err
	}
	names := append([]string{}, request.DNSNames...)
	for _, address := range request.IPAddresses {
		names = append(names, address.String())
	}
	for _, uri := range request.URIs {
		names = append(names, uri.String())
	}
	return requestAnswer{Subject: request.Subject.String(), Names: names, Kind: request.PublicKeyAlgorithm.String()}, nil
}

func readKey(block *pem.Block) (requestAnswer, error) {
	switch block.Type {
	case "PRIVATE KEY":
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		return requestAnswer{Kind: fmt.Sprintf("%T", key)}, err
	case "EC PRIVATE KEY":
		key, err := x509.ParseECPrivateKey(block.Bytes)
		return requestAnswer{Kind: fmt.Sprintf("%T", key)}, err
	case "RSA PRIVATE KEY":
		key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
		return requestAnswer{Kind: fmt.Sprintf("%T", key)}, err
	}
	return requestAnswer{}, errors.New("unknown block " + block.Type)
}
