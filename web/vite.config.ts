/// <reference types="vitest/config" />
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import react from '@vitejs/plugin-react'
import { defineConfig, type Plugin } from 'vite'

// The hub that `npm run dev` asks; `make hub` starts one.
const hub = process.env.ASSAY_HUB ?? 'http://127.0.0.1:8790'

// What a browser loads before it shows anything has this many bytes at most, compressed by gzip.
const firstLoadLimit = 300_000

// compressed writes a .br and a .gz beside each file that gets smaller by it, so that the hub need not compress when it is asked.
function compressed(): Plugin {
  let folder = 'dist'
  return {
    name: 'compressed',
    apply: 'build',
    configResolved: (config) => {
      folder = config.build.outDir
    },
    closeBundle: async () => {
      const names = await readdir(folder, { recursive: true })
      const page = await readFile(join(folder, 'index.html'), 'utf8')
      let firstLoad = 0
      for (const name of names.filter((n) => /\.(js|css|html|svg|json)$/.test(n))) {
        const path = join(folder, name)
        const plain = await readFile(path)
        // index.html is changed for each request.
        if (name === 'index.html' || plain.length < 1024) continue
        const quality = { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY }
        await writeFile(`${path}.br`, await promisify(brotliCompress)(plain, { params: quality }))
        const zipped = await promisify(gzip)(plain, { level: constants.Z_BEST_COMPRESSION })
        await writeFile(`${path}.gz`, zipped)
        if (page.includes(`/${name}`)) firstLoad += zipped.length
      }
      console.log(`first load: ${firstLoad} bytes of ${firstLoadLimit}`)
      if (firstLoad > firstLoadLimit)
        throw new Error('the first load is too large: load lazily what the first page does not need')
    },
  }
}

export default defineConfig({
  plugins: [react(), compressed()],
  html: { cspNonce: '__CSP_NONCE__' },
  build: { target: 'es2023', assetsInlineLimit: 0, chunkSizeWarningLimit: 600, modulePreload: { polyfill: false } },
  server: {
    host: '127.0.0.1',
    proxy: Object.fromEntries(
      ['/v1', '/auth', '/openapi.json', '/docs', '/healthz', '/readyz'].map((path) => [path, { target: hub }]),
    ),
  },
  test: {
    environment: 'jsdom',
    include: ['src/**/*.test.{ts,tsx}'],
    setupFiles: ['src/testing/setup.ts'],
    restoreMocks: true,
    env: { TZ: 'UTC' },
  },
})
