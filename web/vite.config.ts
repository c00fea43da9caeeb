import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

const service = process.env.HEMOSIGHT_URL ?? "http://127.0.0.1:8000";

export default defineConfig({
  plugins: [react()],
  // The service knows the sub-path it stands under, the build does not: index.html gets full addresses when it is served.
  base: "./",
  build: {
    // Where the service looks for its page, and where the wheel takes it from.
    outDir: "../src/hemosight/service/static",
    emptyOutDir: true,
    target: "es2022",
    // Vega alone is larger than this; it is loaded by the screens that draw, never first.
    chunkSizeWarningLimit: 1200,
  },
  css: {
    preprocessorOptions: {
      scss: { quietDeps: true, silenceDeprecations: ["import"] },
    },
  },
  server: { proxy: { "/api": { target: service, changeOrigin: true } } },
  test: {
    environment: "jsdom",
    include: ["src/**/*.test.{ts,tsx}"],
    restoreMocks: true,
  },
});
