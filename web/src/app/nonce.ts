/** The nonce that the hub's content security policy lets styles be made with; vite writes it into index.html as a meta element. */
export function nonce(): string {
  return document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? ''
}
