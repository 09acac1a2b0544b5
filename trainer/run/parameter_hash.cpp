#include <tutti/trainer/run/parameter_hash.hpp>

#include <openssl/evp.h>

#include <memory>

#include <tutti/kernels/error.hpp>

namespace tutti::trainer {

Sha256 parameter_hash(const Buckets& buckets) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  Sha256 hash{};
  bool good = context != nullptr && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1;
  for (std::size_t i = 0; i < buckets.plan().places.size(); ++i) {
    const Buffer parameter = buckets.parameter(i);
    good = good && EVP_DigestUpdate(context.get(), parameter.data, parameter.size_bytes()) == 1;
  }
  good = good && EVP_DigestFinal_ex(context.get(), hash.data(), nullptr) == 1;
  if (!good) throw Error("libcrypto cannot compute SHA-256");
  return hash;
}

std::string to_hex(const Sha256& hash) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const std::uint8_t byte : hash) {
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
  }
  return hex;
}

}  // namespace tutti::trainer
