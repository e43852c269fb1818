import { defineConfig } from 'vite'

/** The page, below any mount path: its own addresses are relative, and `<base href>` is the handler's. */
export default defineConfig({
  root: import.meta.dirname,
  base: './',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: '../dist/dashboard/page',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0, // the policy knows no data: addresses
    modulePreload: false,
    reportCompressedSize: false,
    license: { fileName: 'licenses.txt' }, // of what is bundled
  },
  logLevel: 'warn',
})
